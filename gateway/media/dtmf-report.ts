import { sipCallId } from './session-name.ts'

/** A digit that was heard in the audio of a call. */
export interface DigitReport {
  callId: string
  /** `0`–`9`, `*`, `#`, `A`–`D`. */
  digit: string
  /** Milliseconds. */
  durationMs: number
}

const DIGITS = '0123456789*#ABCD'
const MAX_LENGTH = 8192
const MAX_DURATION_MS = 60_000

/**
 * One datagram of an rtpengine's DTMF log, which is sent once for each digit, when it has ended (RFC 4733 2.5.1.4).
 * @returns undefined for anything else, and for calls that are none of ours
 */
export function readReport(datagram: string): DigitReport | undefined {
  if (datagram.length > MAX_LENGTH || isAmbiguous(datagram)) return undefined
  const report = parsed(datagram)
  if (report?.type !== 'DTMF' || typeof report.callid !== 'string') return undefined
  const callId = sipCallId(report.callid)
  const digit = Number.isInteger(report.event) ? DIGITS[report.event as number] : undefined
  if (callId === undefined || digit === undefined) return undefined
  const duration = Number.isInteger(report.duration) ? (report.duration as number) : 0
  return { callId, digit, durationMs: Math.min(Math.max(duration, 0), MAX_DURATION_MS) }
}

/** Whoever gets a quote into a text that the rtpengine writes as it is could say these twice. */
function isAmbiguous(text: string): boolean {
  return ['"callid"', '"event"'].some((key) => text.indexOf(key) !== text.lastIndexOf(key))
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
