import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where this package, or the checkout, is. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Its package.json. */
export function ownPackage(): { version: string; dependencies: Record<string, string> } {
  return JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
}
