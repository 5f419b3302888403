import type { Binding } from '../../functions/store/store.ts'
import type { Identity } from '../proxy/identity.ts'
import type { SipMessage } from '../sip/message.ts'
import { parseNameAddr } from '../sip/name-addr.ts'
import { canonicalAor, parseUri } from '../sip/uri.ts'
import { type Dialog, messageOf, type Party, remoteTarget } from './dialog.ts'

/** What tells the device at one end of a dialog from all others that are registered. */
export interface FarEnd {
  /** Whose it is: only what that user has registered can be it. */
  aor: string
  /** Its remote target. */
  contact: string
  /** The instance that the Contact by which it came into the dialog names (RFC 5626 4.1), in lower case; '' for none. */
  instance: string
}

/**
 * @returns undefined for an end that is no registered device as far as is known: a callee that was called by no binding, a caller who is no
 *          user of ours
 */
export function farEndOf(dialog: Dialog, party: Party, identity: Pick<Identity, 'isLocalDomain'>): FarEnd | undefined {
  const message = messageOf(dialog, party)
  if (!message) return undefined
  const aor = party === dialog.caller ? callerAor(message, identity) : dialog.aor
  if (aor === '') return undefined
  return { aor, contact: remoteTarget(dialog, party), instance: instanceOf(message) }
}

/** The address-of-record of a caller, '' when it is none of ours. */
function callerAor(invite: SipMessage, identity: Pick<Identity, 'isLocalDomain'>): string {
  const from = parseUri(invite.from?.uri ?? '')
  return from && from.user !== '' && identity.isLocalDomain(from.host, from.port) ? canonicalAor(from) : ''
}

function instanceOf(message: SipMessage): string {
  const instance = parseNameAddr(message.header('Contact') ?? '')?.params.get('+sip.instance') ?? ''
  return instance.replace(/^<|>$/g, '').toLowerCase()
}

/** The bindings that this device has made, the newest first: by several flows it has several (RFC 5626 4.2). */
export function bindingsOf(end: FarEnd, bindings: readonly Binding[]): Binding[] {
  const own = bindings.filter((binding) => binding.aor === end.aor && isSameDevice(end, binding))
  return own.sort((a, b) => b.registeredAt - a.registeredAt)
}

/** Two devices behind two NATs may have equal addresses (RFC 5626 6): where both name an instance, that decides. */
function isSameDevice({ contact, instance }: FarEnd, binding: Binding): boolean {
  if (instance !== '' && binding.instance !== undefined) return binding.instance.toLowerCase() === instance
  return isSameContact(contact, binding.contact)
}

/** The same user, host, port and transport: phones write other parameters into the Contact of an INVITE than into that of a REGISTER. */
export function isSameContact(a: string, b: string): boolean {
  const [left, right] = [parseUri(a), parseUri(b)]
  if (!left || !right || left.scheme !== right.scheme || left.port !== right.port) return false
  const transports = [left, right].map(({ params }) => params.get('transport')?.toLowerCase())
  return transports[0] === transports[1] && canonicalAor(left) === canonicalAor(right)
}
