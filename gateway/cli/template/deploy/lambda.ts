import { lambda } from 'rouse/lambda'
import app from '../app.ts'

/** What AWS calls, with the event of a Function URL or an API Gateway. */
export const handler = lambda(app)
