import type { SipMessage } from '../sip/message.ts'

/** RFC 4028 4: nobody may ask for less. */
const MIN_SECONDS = 90
/** Whoever asks for more wants no timer. */
const MAX_SECONDS = 86_400
/** A refresh of the last moment, and its repeats, may still be on their way: 64 times T1 of RFC 3261. Milliseconds. */
const GRACE_MS = 32_000

/**
 * How long a session lasts after this 2xx to an INVITE or UPDATE when nobody refreshes it (RFC 4028). Milliseconds; undefined: its ends have
 * not agreed on any time.
 */
export function sessionLifetime(answer: SipMessage): number | undefined {
  const seconds = Number.parseInt(answer.header('Session-Expires') ?? '', 10)
  return seconds > 0 && seconds <= MAX_SECONDS ? Math.max(seconds, MIN_SECONDS) * 1000 + GRACE_MS : undefined
}
