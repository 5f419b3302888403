import { ingressApp } from '../ingress/index.ts'
import { readTextFile } from '../push/read-file.ts'

/**
 * Webhooks in on Node, by the settings in functions/ingress/README.md: `node functions/entry/node.ts functions/entry/ingress.ts`. On AWS
 * Lambda: `export const handler = lambda(ingress)`.
 */
export default ingressApp({ env: process.env, readFile: readTextFile })
