import type { SipMessage } from '../sip/message.ts'

/** A digit reported by SIP INFO. */
export interface Digit {
  /** `0`–`9`, `*`, `#`, `A`–`D`. */
  digit: string
  /** Milliseconds; 0 when not said. */
  durationMs: number
}

const DIGITS = '0123456789*#ABCD'

/** Reads `application/dtmf-relay` (`Signal=5`, `Duration=160`) and `application/dtmf` (the digit alone); undefined for anything else. */
export function readDigit(info: SipMessage): Digit | undefined {
  const type = (info.header('Content-Type') ?? '').split(';', 1)[0]!.trim().toLowerCase()
  if (type === 'application/dtmf-relay') return relayDigit(info.body)
  if (type === 'application/dtmf') return digitOf(info.body.trim(), 0)
  return undefined
}

function relayDigit(body: string): Digit | undefined {
  let signal = ''
  let duration = 0
  for (const line of body.slice(0, 256).split('\n')) {
    const equals = line.indexOf('=')
    if (equals < 0) continue
    const name = line.slice(0, equals).trim().toLowerCase()
    const value = line.slice(equals + 1).trim()
    if (name === 'signal') signal = value
    else if (name === 'duration') duration = Number(value) || 0
  }
  return digitOf(signal, duration)
}

/** Some senders write 10 and 11 for star and pound (RFC 4733 event codes). */
function digitOf(text: string, durationMs: number): Digit | undefined {
  const digit = text === '10' ? '*' : text === '11' ? '#' : text.toUpperCase()
  return digit.length === 1 && DIGITS.includes(digit) ? { digit, durationMs } : undefined
}
