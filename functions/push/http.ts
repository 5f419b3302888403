import { Hono } from 'hono'
import type { Result } from '../contract/problem.ts'
import { problemResponse } from '../contract/problem-response.ts'
import type { PushMessage, PushResult } from '../contract/push.ts'
import { readBody } from '../contract/read-body.ts'
import { Remembered } from '../contract/remembered.ts'
import { SIGNATURE_TOLERANCE_SECONDS } from '../contract/sign.ts'
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
/** Pushes that are remembered at most: some ten megabytes. */
const MAX_REMEMBERED = 100_000

/** `POST /push`: a PushMessage in, a PushResult out; what is wrong with it as a problem (RFC 9457). */
export function servePush({ send, trust, now }: ServePushOptions): Hono {
  const app = new Hono()
  // A push that comes again wakes nobody again, whether its answer was lost or somebody has captured it. What has failed is tried once more.
  const pushed = new Remembered<PushResult>({
    now,
    limit: MAX_REMEMBERED,
    stands: ({ outcome }) => outcome !== 'failed',
  })
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
    return c.json(await pushed.once(id, () => endOf(timestamp), push))
  })
  app.notFound(() => problemResponse({ code: 'not_found', detail: 'pushes are POSTed to /push' }))
  return app
}

/** Until then what was signed at `timestamp`, in seconds, is taken: the end of that second, in milliseconds. */
function endOf(timestamp: number): number {
  return (timestamp + SIGNATURE_TOLERANCE_SECONDS + 1) * 1000
}

function readMessage(text: string): Result<PushMessage> {
  try {
    return validatePushMessage(JSON.parse(text))
  } catch {
    return { ok: false, problem: { code: 'request.invalid', detail: 'the body is not JSON', pointer: '' } }
  }
}
