import { withoutPush } from '../sip/push-params.ts'

/** What of a message is shown to a collector, and to which call it belongs. */
export interface Shown {
  callId: string
  octets: Buffer
}

const MAY_HIDE = /;[ \t]*pn-|authorization|authentication-info/i
const CREDENTIALS = /^((?:proxy-)?authorization|authentication-info)([ \t]*:[ \t]*)([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)/gim
const CALL_ID = /\r\n(?:call-id|i)[ \t]*:[ \t]*([^\r\n]{0,255})/i

/**
 * A SIP message as a collector may have it: what phones are pushed with is left out (RFC 8599), of a digest the response, of other
 * credentials all. The body is as it was.
 * @param text latin1
 * @returns undefined for what is no SIP: keep-alives, noise
 */
export function shownMessage(text: string): Shown | undefined {
  const line = text.slice(0, Math.max(0, text.indexOf('\r\n')))
  if (!line.startsWith('SIP/2.0 ') && !line.endsWith(' SIP/2.0')) return undefined
  const end = text.indexOf('\r\n\r\n')
  const head = end < 0 ? text : text.slice(0, end)
  const callId = CALL_ID.exec(head)?.[1]?.trim() ?? ''
  if (!MAY_HIDE.test(head)) return { callId, octets: Buffer.from(text, 'latin1') }
  const shown = withoutPush(head).replace(
    CREDENTIALS,
    (_line, name, colon, value) => name + colon + withoutSecret(value),
  )
  return { callId, octets: Buffer.from(end < 0 ? shown : shown + text.slice(end), 'latin1') }
}

function withoutSecret(value: string): string {
  const scheme = /^\S{0,32}/.exec(value)![0]
  if (scheme.toLowerCase() !== 'digest' && /^\S+\s+\S/.test(value) && !value.includes('nextnonce'))
    return `${scheme} [redacted]`
  return value.replace(/\b(response|rspauth)([ \t]*=[ \t]*)(?:"[^"]*"?|[^\s,;]*)/gi, '$1$2""')
}
