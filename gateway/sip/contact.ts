import { readNumber } from '../../functions/contract/uri/chars.ts'
import type { SipMessage } from './message.ts'
import { type NameAddr, parseNameAddr } from './name-addr.ts'
import { parseUri, type SipUri } from './uri.ts'

export interface Contact {
  nameAddr: NameAddr
  /** undefined when the URI is not sip, sips or tel, or broken: nothing can be sent there. */
  uri: SipUri | undefined
  /** As written, unfolded. */
  raw: string
}

export type ContactsResult = { ok: true; star: boolean; contacts: Contact[] } | { ok: false }

/**
 * Every Contact value of a message, in order (RFC 3261 20.10), or the star that removes all bindings (10.2.2).
 * @returns `ok: false` when one of them is broken, or when the star is not alone
 */
export function parseContacts(message: SipMessage): ContactsResult {
  const values = message.values('contact')
  if (values.includes('*')) return values.length === 1 ? { ok: true, star: true, contacts: [] } : { ok: false }
  const contacts: Contact[] = []
  for (const raw of values) {
    const nameAddr = parseNameAddr(raw)
    if (nameAddr === undefined) return { ok: false }
    contacts.push({ nameAddr, uri: parseUri(nameAddr.uri), raw })
  }
  return { ok: true, star: false, contacts }
}

const LARGEST_DELTA_SECONDS = 4294967295

/**
 * Seconds of an Expires header or `expires` parameter; what exceeds 2^32-1 counts as that (RFC 3261 20.19, RFC 4475 3.1.2.4).
 * @returns undefined when absent or no number, which RFC 3261 20.10 asks to treat as 3600
 */
export function parseDeltaSeconds(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined
  const seconds = readNumber(text, 0, text.length, LARGEST_DELTA_SECONDS)
  if (seconds >= 0) return seconds
  return isDigits(text) ? LARGEST_DELTA_SECONDS : undefined
}

function isDigits(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (readNumber(text, at, at + 1, 9) < 0) return false
  return true
}
