import { redactedText } from './redact.ts'

/** Calls as ladders: one arrow per message, drawn the same way in tests, in the demonstration and while developing. */

/** One arrow: when, from whom, to whom, what. */
export interface Arrow {
  /** Milliseconds, since whatever its ladder counts from. */
  at: number
  from: string
  to: string
  label: string
}

/** `alice -> gateway INVITE sip:bob@example.com` */
export function arrowText({ from, to, label }: Arrow): string {
  return `${from} -> ${to} ${label}`
}

/**
 * The same as a line of a ladder on a terminal, names in columns.
 * @param margin what stands before it: a time, the call it belongs to
 */
export function arrowLine(margin: string, { from, to, label }: Arrow): string {
  return `${margin}  ${from.padEnd(8)} -> ${to.padEnd(8)} ${label}`
}

/** What an arrow says of a SIP message: `INVITE sip:bob@example.com`, `200 OK (INVITE)`. */
export function messageLabel(message: {
  isRequest: boolean
  method: string
  uri: string
  status: number
  reason: string
}): string {
  return message.isRequest
    ? redactedText(`${message.method} ${message.uri}`)
    : `${message.status} ${message.reason} (${message.method})`
}
