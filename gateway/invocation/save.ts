import type { ActionOf } from '../../functions/contract/actions.ts'
import { durationMs } from '../../functions/contract/duration.ts'
import { canonicalAor } from '../sip/uri.ts'
import type { Call } from './call.ts'
import { latin1 } from './request-data.ts'

/** Lets the registrar process the REGISTER: its answer goes out first, then the events it causes. */
export async function saveBindings(call: Call, action: ActionOf<'save'>): Promise<void> {
  if (call.request.method !== 'REGISTER' || !call.context.isOpen) return
  const outcome = await call.parts.registrar.register(call.request, call.flow, {
    ...(action.aor === undefined ? {} : { aor: canonicalAor(latin1(action.aor)) }),
    ...(action.minExpires === undefined ? {} : { minExpires: Math.round(durationMs(action.minExpires)! / 1000) }),
    ...(action.maxExpires === undefined ? {} : { maxExpires: Math.round(durationMs(action.maxExpires)! / 1000) }),
    ...(action.maxContacts === undefined ? {} : { maxContacts: action.maxContacts }),
  })
  call.context.respondLocally(outcome.status, outcome.reason, { headers: outcome.headers })
  call.parts.publish(outcome.events, call.request.callId)
}
