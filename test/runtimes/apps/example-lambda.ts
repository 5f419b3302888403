import { lambda } from '../../../functions/entry/lambda.ts'
import app from '../../../functions/examples/app.ts'

export const handler = lambda(app)
