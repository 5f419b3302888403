import { Pool } from 'undici'
import { type PushMessage, PushResult } from '../functions/contract/push.ts'
import type { PushSender } from './invocation/parts.ts'

/** Milliseconds a push function may take. */
const TIMEOUT_MS = 5000
const MAX_RESPONSE_BYTES = 65_536

/** A push function behind PUSH_URL: cloud credentials stay out of the gateway. Trouble is a result, never an exception. */
export function createHttpPush(url: string): PushSender & { close(): Promise<void> } {
  const { origin, pathname, search } = new URL(url)
  const pool = new Pool(origin, {
    connections: 16,
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
    maxResponseSize: MAX_RESPONSE_BYTES,
  })
  return {
    send: (message) => send(pool, pathname + search, message),
    close: () => pool.destroy(),
  }
}

async function send(pool: Pool, path: string, message: PushMessage): Promise<PushResult> {
  try {
    const { statusCode, body } = await pool.request({
      path,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(message),
    })
    const text = await body.text()
    if (statusCode !== 200) return { outcome: 'failed', error: `the push function answered ${statusCode}` }
    const result = PushResult.safeParse(JSON.parse(text))
    return result.success
      ? result.data
      : { outcome: 'failed', error: 'the push function answered something else than a result' }
  } catch (error) {
    return {
      outcome: 'failed',
      error:
        error instanceof SyntaxError ? 'the push function answered no JSON' : 'the push function cannot be reached',
    }
  }
}
