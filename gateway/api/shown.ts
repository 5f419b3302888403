import type { Binding } from '../../functions/store/store.ts'
import { withoutPush } from '../sip/push-params.ts'

/** A binding as people see it. What is not named here is not shown: no push token, no header parameters as received. */
export interface ShownRegistration {
  aor: string
  contact: string
  instance?: string
  q: number
  /** Seconds that are left. */
  expires: number
  registeredAt: string
  userAgent?: string
  /** Whether the device can be woken, and by which provider; never its token. */
  push: false | { provider: string }
  /** It has unregistered and may only be woken: nothing is sent there until it registers again. */
  asleep?: true
  path: string[]
  received: { transport: string; address: string; port: number; nat: boolean; gateway: string }
}

export function shownRegistration(binding: Binding, now: number): ShownRegistration {
  const { aor, instance, q, expiresAt, registeredAt, userAgent, push, asleep, path, received } = binding
  const { transport, address, port, nat, gateway } = received
  return {
    aor,
    contact: withoutPush(binding.contact),
    ...(instance === undefined ? {} : { instance }),
    q,
    expires: Math.max(0, Math.ceil((expiresAt - now) / 1000)),
    registeredAt: new Date(registeredAt).toISOString(),
    ...(userAgent === undefined ? {} : { userAgent }),
    push: push ? { provider: push.provider } : false,
    ...(asleep ? { asleep } : {}),
    path: path.map(withoutPush),
    received: { transport, address, port, nat, gateway },
  }
}
