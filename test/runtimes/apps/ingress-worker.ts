import { ingressApp } from '../../../functions/ingress/index.ts'

export default ingressApp()
