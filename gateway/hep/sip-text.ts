import { CR, LF, SP, TAB } from '../../functions/contract/uri/chars.ts'
import { Splicer } from '../sip/splicer.ts'

/** What of a SIP message a collector gets: the message, without what opens something. Its length may change, that of its body never does. */
export interface Captured {
  callId: string
  text: string
}

const HIDDEN = 'redacted'

/** Headers with credentials in them, or with what they can be guessed from. */
const SECRET_HEADERS = new Set([
  'authorization',
  'proxy-authorization',
  'authentication-info',
  'proxy-authentication-info',
  'cookie',
])

/** Of credentials, what tells who wanted what; by the rest they can be used or guessed. */
const SHOWN = new Set(['username', 'username*', 'userhash', 'realm', 'uri', 'algorithm', 'qop', 'nc'])
const CREDENTIAL = /(?<![\w*-])([\w*-]{1,32})\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s,"]+)/g

/** A quick look for what `PUSH` may find. */
const MAYBE_PUSH = /pn[-s]/i
/** RFC 8599 parameters, also within a URI in a URI; which provider it is may be known. */
const PUSH =
  /((?:;|%3B)\s*(?:pn-(?!provider\s*(?:=|%3D))[\w.-]*|\+sip\.pnspurr)\s*(?:=|%3D)\s*)(?:"(?:[^"\\\r\n]|\\.|\r\n[ \t])*"?|[^\s;,>?"]*)/gi

/** SRTP keys (RFC 4568 9.1): the session could be listened to. */
const MAYBE_KEY = 'inline:'
const KEY = /(inline:)([^\s|;]+)/g

/** `undefined` for what is no SIP message, or belongs to no call: no collector takes it. */
export function captured(text: string): Captured | undefined {
  if (!isSip(text)) return undefined
  let callId = ''
  let splicer: Splicer | undefined
  let at = text.indexOf('\n') + 1
  while (at < text.length) {
    const first = text.charCodeAt(at)
    if (first === CR || first === LF) break
    const end = endOfHeader(text, at)
    const letter = first | 0x20
    if (letter === 0x61 || letter === 0x63 || letter === 0x69 || letter === 0x70) {
      const colon = text.indexOf(':', at)
      const name = colon < 0 || colon > end ? '' : text.slice(at, colon).trim().toLowerCase()
      if (name === 'call-id' || name === 'i') callId ||= text.slice(colon + 1, end).trim()
      else if (SECRET_HEADERS.has(name)) {
        splicer ??= new Splicer(text, 0)
        splicer.replace(colon + 1, end, ` ${withoutSecrets(name, text.slice(colon + 1, end).trim())}\r\n`)
      }
    }
    at = end
  }
  if (callId === '') return undefined
  const head = splicer ? splicer.finish(at) : text.slice(0, at)
  const body = text.slice(at)
  const shownHead = MAYBE_PUSH.test(head) ? head.replace(PUSH, `$1${HIDDEN}`) : head
  const shownBody = body.includes(MAYBE_KEY) ? body.replace(KEY, (_, name, key) => name + 'x'.repeat(key.length)) : body
  return { callId, text: shownHead + shownBody }
}

function isSip(text: string): boolean {
  if (text.startsWith('SIP/2.0 ')) return true
  return text.startsWith(' SIP/2.0\r\n', text.indexOf('\n') - ' SIP/2.0\r'.length)
}

/** Where the next header begins: lines that begin with a blank go on with the one before (RFC 3261 7.3.1). */
function endOfHeader(text: string, start: number): number {
  let at = start
  do {
    const end = text.indexOf('\n', at)
    if (end < 0) return text.length
    at = end + 1
  } while (text.charCodeAt(at) === SP || text.charCodeAt(at) === TAB)
  return at
}

function withoutSecrets(name: string, value: string): string {
  if (name === 'cookie') return HIDDEN
  if (name.endsWith('-info')) return shownCredentials(value)
  const scheme = /^[\w-]*/.exec(value)![0]
  if (scheme.toLowerCase() !== 'digest') return `${scheme} ${HIDDEN}`
  return `${scheme} ${shownCredentials(value.slice(scheme.length))}`
}

function shownCredentials(value: string): string {
  const shown = ([whole, name]: RegExpExecArray) => (SHOWN.has(name!.toLowerCase()) ? whole : `${name}="${HIDDEN}"`)
  return Array.from(value.matchAll(CREDENTIAL), shown).join(', ')
}
