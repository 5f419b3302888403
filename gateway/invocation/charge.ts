import type { ActionOf } from '../../functions/contract/actions.ts'
import type { Authorization } from '../../functions/contract/envelope.ts'
import type { ChargeFacts, Charging } from '../cgrates/charging.ts'
import { withoutPush } from '../sip/push-params.ts'
import { parseUri } from '../sip/uri.ts'
import type { Call } from './call.ts'
import { utf8 } from './request-data.ts'

const NOBODY: Authorization = { authorized: false, code: 503, reason: 'Billing Unavailable' }

/** Always answers: without a billing system nobody can say that the call may be made. */
export function authorizeCall(charging: Charging | undefined, facts: ChargeFacts): Promise<Authorization> {
  return charging ? charging.authorize(facts) : Promise.resolve(NOBODY)
}

export function chargeFactsOf(call: Call, action: ActionOf<'authorize'>): ChargeFacts {
  const { account, subject = account, destination = calledUser(call), category = 'call' } = action
  const { requestType = 'prepaid', tenant, fields } = action
  return {
    id: call.id,
    callId: text(call.request.callId),
    ...{ account, subject, destination, category, requestType },
    ...(tenant === undefined ? {} : { tenant }),
    ...(fields && { fields }),
    setupAt: call.startedAt,
  }
}

/** The number that is called, in the one spelling it has whatever the caller escapes; of a URI without a user, the URI. */
function calledUser({ aor, uri }: Call): string {
  const [user] = (parseUri(aor)?.user ?? '').split(';')
  return text(user || withoutPush(uri)).slice(0, 128)
}

function text(latin1: string): string {
  return utf8(latin1) ?? latin1
}
