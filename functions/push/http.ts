import { Hono } from 'hono'
import type { Result } from '../contract/problem.ts'
import { problemResponse } from '../contract/problem-response.ts'
import type { PushMessage, PushResult } from '../contract/push.ts'
import { readBody } from '../contract/read-body.ts'
import type { Trust } from '../contract/trust.ts'
import { validatePushMessage } from '../contract/validate.ts'
import { Repeats } from './repeats.ts'

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
  const repeats = new Repeats()
  app.post('/push', async (c) => {
    const trusted = trust(c.req.url)
    if ('problem' in trusted && trusted.problem) return problemResponse(trusted.problem)
    const text = await readBody(c.req.raw, MAX_BYTES)
    if (!text.ok) return problemResponse(text.problem)
    const verified = await trusted.signer?.verify((name) => c.req.header(name), text.value, now())
    if (verified?.ok === false) return problemResponse(verified.problem)
    const message = readMessage(text.value)
    if (!message.ok) return problemResponse(message.problem)
    const push = () => send(message.value)
    if (!verified) return c.json(await push())
    const { id, timestamp } = verified.value
    return c.json(await repeats.once(id, timestamp, now(), push))
  })
  app.notFound(() => problemResponse({ code: 'not_found', detail: 'pushes are POSTed to /push' }))
  return app
}

function readMessage(text: string): Result<PushMessage> {
  try {
    return validatePushMessage(JSON.parse(text))
  } catch {
    return { ok: false, problem: { code: 'request.invalid', detail: 'the body is not JSON', pointer: '' } }
  }
}
