/**
 * What a phone has put into a URI, or beside it, so that it can be pushed (RFC 8599): secrets, which phones are not to put into anything but
 * a REGISTER, and some do.
 */

const VALUE = String.raw`(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^;>?,\s"]*))?`
const ANY = new RegExp(String.raw`;\s*pn-[\w.!%*'~+-]+${VALUE}`, 'gi')
const TOKEN = new RegExp(String.raw`;\s*pn-(?!purr(?![\w-]))[\w.!%*'~+-]+${VALUE}`, 'gi')
const SUSPECT = /;\s*pn-/i

/** A header value without them, for people and functions. */
export function withoutPush(value: string): string {
  return SUSPECT.test(value) ? value.replace(ANY, '') : value
}

/** The same for the far end, which needs `pn-purr`: with it, requests within the dialog wake the phone (RFC 8599 6). */
export function withoutPushTokens(value: string): string {
  return SUSPECT.test(value) ? value.replace(TOKEN, '') : value
}
