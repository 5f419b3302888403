import { lambda } from '../../../functions/entry/lambda.ts'
import app from './contract.ts'

export const handler = lambda(app)
