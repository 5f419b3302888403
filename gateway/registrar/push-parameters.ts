import type { PushParameters } from '../../functions/store/store.ts'
import { formatUri, type SipUri } from '../sip/uri.ts'

const PREFIX = 'pn-'

/** pn-provider of a contact: undefined when absent, '' when it asks which ones there are (RFC 8599 4.1.4). */
export function pushProvider(uri: SipUri): string | undefined {
  const provider = uri.params.get('pn-provider')
  return provider === undefined ? undefined : unescaped(provider)
}

/** An unregistering device asks to be woken all the same: our own, no part of RFC 8599. */
export function keepsPush(uri: SipUri): boolean {
  return uri.params.has('pn-keep')
}

/** What a push needs, escapes of the URI resolved; undefined unless the contact names a provider and a prid: without it, it only asks. */
export function pushParameters(uri: SipUri): PushParameters | undefined {
  const provider = pushProvider(uri)
  const prid = unescaped(uri.params.get('pn-prid') ?? '')
  if (!provider || prid === '') return undefined
  return { provider, prid, param: unescaped(uri.params.get('pn-param') ?? '') }
}

/** The contact as others may see it: without any pn-* parameter, and without headers, which no Request-URI may have. */
export function withoutPush(uri: SipUri): SipUri {
  const params = new Map<string, string>()
  for (const [name, value] of uri.params) if (!isPushName(name)) params.set(name, value)
  return { ...uri, params, headers: '' }
}

/** The same as text; as written where nothing has to go. */
export function contactWithoutPush(written: string, uri: SipUri): string {
  if (uri.headers === '' && ![...uri.params.keys()].some(isPushName)) return written
  return formatUri(withoutPush(uri))
}

/** Whether a parameter in lower case may hold a push token: those of RFC 8599 and those of before it (`pn-tok`). */
export function isPushName(name: string): boolean {
  return name.startsWith(PREFIX)
}

/** A broken escape, or one that hides a control character, stays as written. */
function unescaped(value: string): string {
  if (!value.includes('%')) return value
  try {
    const plain = decodeURIComponent(value)
    return hasControl(plain) ? value : plain
  } catch {
    return value
  }
}

function hasControl(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code < 0x20 || code === 0x7f) return true
  }
  return false
}
