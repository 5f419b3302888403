import { Pool } from 'undici'
import type { Clock } from '../functions/contract/clock.ts'
import { PushResult } from '../functions/contract/push.ts'
import { failed, retryAfter } from '../functions/push/outcome.ts'
import { createSign } from './invocation/invoker-sign.ts'
import type { PushSender } from './push/types.ts'

/** Milliseconds a push function may take. */
const TIMEOUT_MS = 5000
const MAX_RESPONSE_BYTES = 65_536

export interface HttpPushOptions {
  /** Where pushes are POSTed, path included: `https://push.example.com/push`. */
  url: string
  clock: Clock
  /** `whsec_…`, two separated by a space while rotating; absent: pushes are not signed. */
  secret?: string | undefined
}

/** A push function behind PUSH_URL: cloud credentials stay out of the gateway. Trouble is a result, never an exception. */
export function createHttpPush({ url, clock, secret }: HttpPushOptions): PushSender & { close(): Promise<void> } {
  const { origin, pathname, search } = new URL(url)
  const sign = secret === undefined ? undefined : createSign(secret)
  const pool = new Pool(origin, {
    connections: 16,
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
    maxResponseSize: MAX_RESPONSE_BYTES,
  })
  return {
    send: async (message) => {
      const body = Buffer.from(JSON.stringify(message))
      const timestamp = Math.floor(clock.now() / 1000)
      const signature = sign?.(message.id, timestamp, body)
      const headers = {
        'content-type': 'application/json',
        'webhook-id': message.id,
        'webhook-timestamp': String(timestamp),
        ...(signature === undefined ? {} : { 'webhook-signature': signature }),
      }
      return post(pool, pathname + search, headers, body, () => clock.now())
    },
    close: () => pool.destroy(),
  }
}

async function post(
  pool: Pool,
  path: string,
  headers: Record<string, string>,
  octets: Buffer,
  now: () => number,
): Promise<PushResult> {
  try {
    const { statusCode, headers: answered, body } = await pool.request({ path, method: 'POST', headers, body: octets })
    const text = await body.text()
    if (statusCode !== 200) {
      const header = answered['retry-after']
      const retry = retryAfter(statusCode, typeof header === 'string' ? header : null, now())
      return failed(`the push function answered ${statusCode}`, retry)
    }
    const result = PushResult.safeParse(JSON.parse(text))
    return result.success ? result.data : failed('the push function answered something else than a result')
  } catch (error) {
    if (error instanceof SyntaxError) return failed('the push function answered no JSON')
    return failed('the push function cannot be reached', 0)
  }
}
