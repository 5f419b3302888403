import { aorOf } from '../contract/uri/uri.ts'
import type { Binding } from '../store/store.ts'
import { GATEWAY } from './suspension.ts'

/** A registered phone. */
export interface PhoneContact {
  /** Its contact, `sip:bob@192.0.2.7:5060`. */
  uri: string
  /** 0 to 1; default 1. */
  q?: number
  /** Seconds; default 3600. */
  expires?: number
  /** `urn:uuid:…` of `+sip.instance`: a phone that registers anew under another contact is the same device by it. */
  instance?: string
  userAgent?: string
  /** A push can wake it; default false. */
  push?: boolean
  /** It sleeps: it is registered, and hears nothing until it registers again. Default false. */
  asleep?: boolean
}

/** @throws TypeError that names what is no SIP URI */
export function bindingOf(aor: string, phone: PhoneContact, now: number): Binding {
  const { uri, q = 1, expires = 3600, instance, userAgent, push } = phone
  if (aorOf(aor) === '') throw new TypeError(`contacts: expected an AOR such as sip:bob@example.com, got "${aor}"`)
  if (aorOf(uri) === '') throw new TypeError(`contacts of ${aor}: expected the URI of a phone, got "${uri}"`)
  return {
    aor: aorOf(aor),
    contact: uri,
    device: instance?.toLowerCase() ?? uri,
    q,
    expiresAt: now + expires * 1000,
    registeredAt: now,
    callId: '',
    cseq: 0,
    path: [],
    received: { transport: 'udp', address: '', port: 0, listener: '', connection: 0, gateway: GATEWAY, nat: false },
    parameters: '',
    ...(instance === undefined ? {} : { instance }),
    ...(userAgent === undefined ? {} : { userAgent }),
    ...(push ? { push: { provider: 'simulated', prid: instance ?? uri, param: '' } } : {}),
  }
}
