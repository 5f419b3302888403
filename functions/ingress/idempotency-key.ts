import type { Result } from '../contract/problem.ts'
import { invalid, isEventId } from './posted-event.ts'

/**
 * The header that names a request which may be sent again (draft-ietf-httpapi-idempotency-key-header): a text in quotes, or as most send it
 * without.
 */
export function idempotencyKey(header: string | undefined): Result<string | undefined> {
  if (header === undefined) return { ok: true, value: undefined }
  const [, quoted] = /^"((?:[^"\\]|\\["\\])*)"$/.exec(header) ?? []
  const key = quoted === undefined ? header : quoted.replaceAll(/\\(.)/g, '$1')
  return isEventId(key) ? { ok: true, value: key } : invalid('Idempotency-Key: expected 1 to 256 characters')
}
