import { handle, type LambdaContext, type LambdaEvent } from 'hono/aws-lambda'
import { problemResponse } from '../contract/problem-response.ts'
import { pathAsSent } from './lambda-path.ts'

/** A router, or the push function. */
export interface LambdaApp {
  fetch(request: Request, env: never, ctx?: unknown): Response | Promise<Response>
}

/** What AWS calls: with the event of a Function URL, an API Gateway (HTTP or REST), an ALB or VPC Lattice. */
export type LambdaHandler = (event: LambdaEvent, context: LambdaContext) => Promise<unknown>

/** Milliseconds before AWS would end the invocation in which an answer still gets out. */
const ANSWER_MS = 200

/**
 * Serves an app on AWS Lambda: `export const handler = lambda(app)`.
 *
 * `env` is `process.env`, `ctx` is Lambda's context. `request.signal` aborts, and the answer is 504, shortly before the function's own
 * timeout, so that a handler that hangs costs neither the process nor what it holds.
 */
export function lambda(app: LambdaApp): LambdaHandler {
  const handler = handle({
    fetch: (request: Request, { lambdaContext }: { lambdaContext: LambdaContext }) =>
      answerInTime(app, request, lambdaContext),
  } as unknown as Parameters<typeof handle>[0])
  return (event, context) => handler(pathAsSent(event), context)
}

async function answerInTime(app: LambdaApp, request: Request, context: LambdaContext): Promise<Response> {
  const giveUp = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Response>((resolve) => {
    const leftMs = Math.max(0, context.getRemainingTimeInMillis() - ANSWER_MS)
    timer = setTimeout(() => {
      resolve(problemResponse({ code: 'handler.timeout', detail: TOO_LATE }))
      giveUp.abort()
    }, leftMs)
  })
  try {
    const heard = new Request(request, { signal: giveUp.signal })
    return await Promise.race([app.fetch(heard, process.env as never, context), late])
  } finally {
    clearTimeout(timer)
  }
}

const TOO_LATE = 'the handler did not answer within the timeout of the Lambda function; see the function’s own log'
