import { userText } from '../contract/path.ts'
import { aorOf } from '../contract/uri/uri.ts'

/** A From or To, read when asked for (RFC 3261 20.10: name-addr or addr-spec form). */
export class Address {
  /** The header's value as received. */
  readonly text: string
  #parts: Parts | undefined

  constructor(text: string) {
    this.text = text
  }

  /** `sip:bob@example.com;user=phone`, as written. */
  get uri(): string {
    return this.#read().uri
  }

  /** The display name without its quotes; `''` when there is none. */
  get display(): string {
    return this.#read().display
  }

  /** The user part, unescaped; `''` when there is none. The number of a tel URI. */
  get user(): string {
    return this.#read().user
  }

  /** Lower case, IPv6 without brackets; `''` in a tel URI. */
  get host(): string {
    return this.#read().host
  }

  /** The address-of-record: scheme, user and host, without port and parameters; `''` when the URI is broken. */
  get aor(): string {
    return aorOf(this.uri)
  }

  toString(): string {
    return this.text
  }

  #read(): Parts {
    this.#parts ??= readParts(this.text)
    return this.#parts
  }
}

interface Parts {
  uri: string
  display: string
  user: string
  host: string
}

function readParts(text: string): Parts {
  const { display, uri } = splitNameAddr(text.trim())
  const colon = uri.indexOf(':')
  const rest = uri.slice(colon + 1)
  if (uri.slice(0, colon).toLowerCase() === 'tel') return { display, uri, ...readTel(rest) }
  const at = rest.indexOf('@')
  const userInfo = at < 0 ? '' : rest.slice(0, at)
  const password = userInfo.indexOf(':')
  const user = password < 0 ? userInfo : userInfo.slice(0, password)
  return { display, uri, user: userText(user), host: readHost(rest.slice(at + 1)) }
}

function splitNameAddr(text: string): { display: string; uri: string } {
  const quoted = text.startsWith('"') ? closingQuote(text) : 0
  const open = text.indexOf('<', quoted)
  if (open < 0) return { display: '', uri: upTo(text, ';') }
  const display = quoted > 0 ? unquoted(text.slice(1, quoted)) : text.slice(0, open).trim()
  return { display, uri: upTo(text.slice(open + 1), '>') }
}

/** Where the quoted string that begins the text ends; 0 when it does not end. */
function closingQuote(text: string): number {
  for (let at = 1; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '"') return at
  }
  return 0
}

function unquoted(text: string): string {
  return text.replace(/\\(.)/g, '$1')
}

function readHost(text: string): string {
  if (text.startsWith('[')) return upTo(text.slice(1), ']').toLowerCase()
  const host = upTo(upTo(upTo(text, ';'), '?'), ':').toLowerCase()
  return host.endsWith('.') ? host.slice(0, -1) : host
}

/** A tel URI is its number without visual separators (RFC 3966 5.1.1). */
function readTel(rest: string): { user: string; host: string } {
  return { user: upTo(rest, ';').replace(/[-.()]/g, ''), host: '' }
}

function upTo(text: string, end: string): string {
  const at = text.indexOf(end)
  return at < 0 ? text : text.slice(0, at)
}
