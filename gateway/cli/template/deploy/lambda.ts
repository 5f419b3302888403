import { Hono } from 'hono'
import { handle } from 'hono/aws-lambda'
import app from '../app.ts'

/** What AWS calls, with the event of a Function URL or an API Gateway. */
export const handler = handle(new Hono().all('*', (c) => app.fetch(c.req.raw, process.env)))
