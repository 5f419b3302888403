import { Hono } from 'hono'
import { PROBLEMS, type Problem, problemDetails, type Result } from '../contract/problem.ts'
import type { PushMessage, PushResult } from '../contract/push.ts'
import type { Trust } from '../contract/trust.ts'
import { validatePushMessage } from '../contract/validate.ts'

export interface ServePushOptions {
  send(message: PushMessage): Promise<PushResult>
  /** Whether what comes to a URL has to be signed, and by whom. */
  trust(url: string): Trust
  now(): number
}

/** Octets of a push that are read at most. */
const MAX_BYTES = 65_536

/** `POST /push`: a PushMessage in, a PushResult out; what is wrong with it as a problem (RFC 9457). */
export function servePush({ send, trust, now }: ServePushOptions): Hono {
  const app = new Hono()
  app.post('/push', async (c) => {
    const trusted = trust(c.req.url)
    if ('problem' in trusted && trusted.problem) return problem(trusted.problem)
    const text = await readText(c.req.raw)
    if (!text.ok) return problem(text.problem)
    const verified = await trusted.signer?.verify((name) => c.req.header(name), text.value, now())
    if (verified?.ok === false) return problem(verified.problem)
    const message = readMessage(text.value)
    return message.ok ? c.json(await send(message.value)) : problem(message.problem)
  })
  app.notFound(() => problem({ code: 'not_found', detail: 'pushes are POSTed to /push' }))
  return app
}

async function readText(request: Request): Promise<Result<string>> {
  const decoder = new TextDecoder()
  let text = ''
  let octets = 0
  for await (const chunk of request.body ?? []) {
    octets += chunk.byteLength
    if (octets > MAX_BYTES) {
      return { ok: false, problem: { code: 'request.too_large', detail: `a push has at most ${MAX_BYTES} octets` } }
    }
    text += decoder.decode(chunk, { stream: true })
  }
  return { ok: true, value: text + decoder.decode() }
}

function readMessage(text: string): Result<PushMessage> {
  try {
    return validatePushMessage(JSON.parse(text))
  } catch {
    return { ok: false, problem: { code: 'request.invalid', detail: 'the body is not JSON', pointer: '' } }
  }
}

function problem(fault: Problem): Response {
  const headers = { 'content-type': 'application/problem+json' }
  return new Response(JSON.stringify(problemDetails(fault)), { status: PROBLEMS[fault.code].http, headers })
}
