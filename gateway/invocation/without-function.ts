import { everyBinding } from '../../functions/store/whereabouts.ts'
import type { Identity } from '../proxy/identity.ts'
import { parseUri, type SipUri } from '../sip/uri.ts'
import type { Call } from './call.ts'
import { saveBindings } from './save.ts'

/** What this proxy says of itself in answers to OPTIONS (RFC 3261 11.2). */
export const CAPABILITIES: readonly [string, string][] = [
  ['Accept', 'application/sdp, text/plain'],
  [
    'Allow',
    'INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, MESSAGE, INFO, UPDATE, PRACK, SUBSCRIBE, NOTIFY, REFER, PUBLISH',
  ],
  ['Supported', 'path'],
]

/** The Request-URI names the router itself: no user, and a host of ours. */
export function isRouter(uri: SipUri, identity: Identity): boolean {
  return uri.user === '' && (identity.isSelf(uri.host, uri.port) || identity.isLocalDomain(uri.host, uri.port))
}

/**
 * A function has no route for it: the registrar answers, or the router for itself, or the registered contacts of the callee ring (RFC 3261
 * 16.5). For what is no call those that sleep are woken (RFC 8599 5.6.2), but not to be asked what they can do.
 */
export async function serveWithoutFunction(call: Call): Promise<void> {
  const { method } = call.request
  const { identity, waker } = call.parts
  if (method === 'REGISTER') return saveBindings(call, { action: 'save' })
  if (method === 'OPTIONS' && isRouter(parseUri(call.uri)!, identity))
    return call.context.respondLocally(200, undefined, { headers: CAPABILITIES })
  call.routeByLocation()
  if (call.isLocal && method !== 'INVITE' && method !== 'OPTIONS')
    void waker.wake(everyBinding(call.location), { context: call.context })
}
