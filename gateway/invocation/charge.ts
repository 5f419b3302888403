import type { ActionOf } from '../../functions/contract/actions.ts'
import type { Authorization } from '../../functions/contract/envelope.ts'
import type { Charge, ChargeFacts } from '../cgrates/charging.ts'
import { withoutPush } from '../sip/push-params.ts'
import { parseUri } from '../sip/uri.ts'
import type { Call } from './call.ts'
import { utf8 } from './request-data.ts'

const NOBODY: Authorization = { authorized: false, code: 503, reason: 'Billing Unavailable' }

/** Who pays for one call: asked before it rings, billed from its answer to its end. */
export class CallCharge {
  /** What was authorized last. */
  facts: ChargeFacts | undefined
  readonly #call: Call
  #charge: Charge | undefined

  constructor(call: Call) {
    this.#call = call
  }

  /** Resumes the call at once with what the billing system says; without one nobody can say that it may be made. */
  async authorize(action: ActionOf<'authorize'>): Promise<void> {
    const call = this.#call
    const { charging, log } = call.parts
    const facts = chargeFactsOf(call, action)
    if (!charging) log.warn('nobody can authorize calls: CGRATES_URL is not set', { callId: call.request.callId })
    const authorization = charging ? await charging.authorize(facts) : NOBODY
    const { authorized, maxDuration, code, reason } = authorization
    call.note(authorized ? 'authorized' : `not authorized: ${code} ${reason}`)
    if (authorized) this.#authorized(maxDuration === undefined ? facts : { ...facts, maxMs: maxDuration * 1000 })
    const wait = { name: action.name, timedOut: false, authorization }
    call.invocations.enqueue({ id: call.newJobId(), type: 'wait.resumed', path: call.path, wait })
  }

  /** Of a call that is talked on: what is authorized later is billed from the answer, too. */
  #authorized(facts: ChargeFacts): void {
    this.facts = facts
    const { answeredAt } = this.#call
    if (answeredAt !== undefined && this.#call.dialogs.length > 0) this.begin(answeredAt)
  }

  /** It was answered. */
  begin(answeredAt: number): void {
    if (this.#charge || !this.facts) return
    this.#charge = this.#call.parts.charging?.begin(this.facts, answeredAt, this.#hangUp)
  }

  /** Another process has billed it. @param since until when, milliseconds since the epoch */
  resume(answeredAt: number, since: number): void {
    if (this.#charge || !this.facts) return
    this.#charge = this.#call.parts.charging?.resume(this.facts, answeredAt, since, this.#hangUp)
  }

  end(endedAt: number): void {
    this.#charge?.end(endedAt)
  }

  leave(): void {
    this.#charge?.leave()
  }

  readonly #hangUp = (reason: string) => this.#call.hangUp({ action: 'hangup', reason })
}

function chargeFactsOf(call: Call, action: ActionOf<'authorize'>): ChargeFacts {
  const { account, subject = account, destination = calledUser(call), category = 'call' } = action
  const { requestType = 'prepaid', tenant, fields } = action
  return {
    id: call.id,
    callId: text(call.request.callId),
    ...{ account, subject, destination, category, requestType },
    ...(tenant === undefined ? {} : { tenant }),
    ...(fields && { fields }),
    originHost: call.parts.gatewayId,
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
