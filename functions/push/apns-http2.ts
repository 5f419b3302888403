import { Pool } from 'undici'
import type { ApnsSend } from './apns.ts'

export interface ApnsHttp2 {
  send: ApnsSend
  close(): Promise<void>
}

/** Answers of Apple's are short. */
const MAX_ANSWER = 16_384

/**
 * Connections to Apple, which stay open and carry many pushes at once. Node only: Workers speak no HTTP/2 to others.
 * @param origin `https://api.push.apple.com`
 * @param ca     PEM of who has signed the server's certificate, where that is not one everybody knows
 */
export function apnsHttp2(origin: string, ca?: string): ApnsHttp2 {
  const pool = new Pool(new URL(origin).origin, {
    allowH2: true,
    connections: 2,
    maxResponseSize: MAX_ANSWER,
    ...(ca === undefined ? {} : { connect: { ca } }),
  })
  return {
    send: async ({ path, headers, body, signal }) => {
      const answer = await pool.request({ method: 'POST', path, headers, body, signal })
      const retryAfter = answer.headers['retry-after']
      return {
        status: answer.statusCode,
        retryAfter: typeof retryAfter === 'string' ? retryAfter : null,
        body: await answer.body.text(),
      }
    },
    close: () => pool.close(),
  }
}
