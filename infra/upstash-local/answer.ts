import { isRefusal } from './redis-link.ts'
import type { Reply } from './resp.ts'

/** A reply of Redis as the JSON of an answer. */

export type Item = { result: unknown } | { error: string }

/** @param isBase64 the request asked with `Upstash-Encoding: base64`, which keeps octets that are no UTF-8 */
export function itemOf(reply: Reply, isBase64: boolean): Item {
  return isRefusal(reply) ? reply : { result: jsonOf(reply, isBase64) }
}

/**
 * What `/multi-exec` answers to MULTI, the commands and EXEC.
 * @returns an item per command, or one error when Redis has discarded them all
 */
export function transactionOf(replies: Reply[], isBase64: boolean): Item[] | { error: string } {
  const executed = replies.at(-1)!
  if (Array.isArray(executed)) return executed.map((reply) => itemOf(reply, isBase64))
  const cause = replies.find(isRefusal)?.error ?? 'nothing was executed'
  return { error: `EXECABORT Transaction discarded because of: ${cause}` }
}

/** `OK` as a status stays `OK`; the same word as data is a string like others, or clients would decode it to something else. */
function jsonOf(reply: Reply, isBase64: boolean): unknown {
  if (reply === null || typeof reply === 'number') return reply
  if (Array.isArray(reply)) return reply.map((item) => jsonOf(item, isBase64))
  if (Buffer.isBuffer(reply)) return reply.toString(isBase64 ? 'base64' : 'utf8')
  const text = isRefusal(reply) ? reply.error : reply.status
  return isBase64 && text !== 'OK' ? Buffer.from(text).toString('base64') : text
}
