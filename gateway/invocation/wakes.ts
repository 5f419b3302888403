import * as z from 'zod/mini'
import type { ActionOf } from '../../functions/contract/actions.ts'
import { durationMs } from '../../functions/contract/duration.ts'
import type { PushMessage } from '../../functions/contract/push.ts'
import type { Binding } from '../../functions/store/store.ts'
import { COMPLETED_ELSEWHERE } from '../proxy/context.ts'
import type { Target } from '../proxy/target.ts'
import type { WakeResult } from '../push/metrics.ts'
import type { Pushed } from '../push/types.ts'
import { canonicalAor } from '../sip/uri.ts'
import type { TimerHandle } from '../transaction/timer-queue.ts'
import type { Call } from './call.ts'
import { latin1, utf8 } from './request-data.ts'

/** How long a push is worth delivering when nothing says how long the call waits. Milliseconds. */
const PATIENCE_MS = 30_000
const LONGEST_TTL_SECONDS = 120
/** Who registered so lately is awake, if nothing has happened to it since: it has a moment to ring before it is pushed. Milliseconds. */
const FRESH_MS = 5000
const MOMENT_MS = 1000

/** `due`: it is to be pushed if it does not ring by then. `sent`: its provider has not said yet what became of the push. */
const WAKE_STATES = [
  'due',
  'sent',
  'accepted',
  'failed',
  'limited',
  'unsupported',
  'unwanted',
  'token_invalid',
] as const

/** A device that is woken for a call, as far as another process has to know. Times are milliseconds since the epoch. */
export const WakeRecord = z.object({
  device: z.string(),
  aor: z.string(),
  /** `pn-provider`; absent where an older gateway has written it. */
  provider: z.optional(z.string()),
  state: z.enum(WAKE_STATES),
  /** When it was pushed, or will be. */
  at: z.number(),
  /** Until when the push is worth delivering. */
  until: z.number(),
  /** The call has reached it since. */
  isAwake: z.boolean(),
})
export type WakeRecord = z.infer<typeof WakeRecord>

/** Why a call waits no more for who was pushed. */
export type Over = NonNullable<PushMessage['reason']>

/** How the CANCEL says it to who comes too late (RFC 3326). */
const CANCEL_REASONS: Record<Over, string> = {
  answered_elsewhere: COMPLETED_ELSEWHERE,
  caller_gone: 'SIP;cause=487;text="Request Terminated"',
  ended: 'SIP;cause=408;text="No answer"',
}

interface Wake extends WakeRecord {
  action: Pick<ActionOf<'push'>, 'data' | 'progress' | 'reportStatus'>
  /** As it was when it was pushed; undefined after a restart. */
  binding: Binding | undefined
  acceptedAt: number
  invitedAt: number
  timer: TimerHandle | undefined
}

/** The devices that are woken for one call: each is pushed once, and told when the call is over before it has come. */
export class Wakes {
  readonly #call: Call
  readonly #wakes = new Map<string, Wake>()
  #hasProgressed = false
  #isOver = false

  constructor(call: Call) {
    this.#call = call
  }

  get size(): number {
    return this.#wakes.size
  }

  get records(): WakeRecord[] {
    return [...this.#wakes.values()].map(({ device, aor, provider, state, at, until, isAwake }) => {
      return { device, aor, provider, state, at, until, isAwake }
    })
  }

  get devices(): IterableIterator<string> {
    return this.#wakes.keys()
  }

  takeUp(records: readonly WakeRecord[]): void {
    for (const record of records) {
      const wake = this.#add(record, {}, undefined)
      if (wake.state === 'due') this.#later(wake, Math.max(0, wake.at - this.#now))
    }
    this.#hasProgressed = this.#wakes.size > 0
  }

  /**
   * Wakes the devices of an AOR that can be pushed and do not ring already. Does not wait for the provider: what it says becomes an event.
   * @param wasSent before a restart: whom it went to is noted, and nothing is sent
   */
  async push(action: ActionOf<'push'>, wasSent: boolean): Promise<void> {
    const call = this.#call
    if (!call.context.isOpen) return
    const aor = canonicalAor(latin1(action.aor))
    const pushable = (await call.bindingsOf(aor)).filter(({ push }) => push !== undefined)
    for (const binding of pushable) {
      if (binding.push!.invalidSince !== undefined || this.#wakes.has(binding.device) || this.#rings(binding.device))
        continue
      const pauseMs = this.#pauseMs(action, binding)
      const at = this.#now + pauseMs
      const { device, push } = binding
      const until = this.#until(at)
      const record = { device, aor, provider: push!.provider, state: 'due' as const, at, until, isAwake: false }
      const wake = this.#add(record, action, binding)
      if (wasSent) wake.state = 'accepted'
      else if (pauseMs > 0) this.#later(wake, pauseMs)
      else this.#send(wake, binding)
    }
    if (pushable.some(({ push }) => push!.invalidSince !== undefined)) this.#endIfNobodyCanCome(aor)
  }

  #add(record: WakeRecord, action: Wake['action'], binding: Binding | undefined): Wake {
    const wake = { ...record, action, binding, acceptedAt: 0, invitedAt: 0, timer: undefined }
    this.#wakes.set(record.device, wake)
    return wake
  }

  #pauseMs(action: ActionOf<'push'>, binding: Binding): number {
    const isFresh = !binding.asleep && this.#now - binding.registeredAt < FRESH_MS
    const asked = action.skipIfRingingWithin === undefined ? 0 : durationMs(action.skipIfRingingWithin)!
    return Math.max(asked, isFresh ? MOMENT_MS : 0)
  }

  /** The call waits so long for who is woken. */
  #until(at: number): number {
    const { haltUntil, interests } = this.#call
    const deadlines = [...(interests?.waits.values() ?? [])].map(({ deadline }) => deadline)
    const last = Math.max(haltUntil ?? 0, ...deadlines)
    return last > at ? last : at + PATIENCE_MS
  }

  #later(wake: Wake, ms: number): void {
    wake.timer = this.#call.parts.timers.start(ms, { onTimer: () => void this.#due(wake) }, 'push')
  }

  /** It has had its time to ring by itself. Where it is now counts, and whether it has come anew meanwhile. */
  async #due(wake: Wake): Promise<void> {
    wake.timer = undefined
    const binding = await this.#bindingOf(wake)
    if (binding?.push && this.#isWanted(wake)) this.#send(wake, binding)
    else wake.state = 'unwanted'
  }

  /** As it is now; as it was when the store cannot say. */
  async #bindingOf({ aor, device, binding }: Wake): Promise<Binding | undefined> {
    try {
      const bindings = await this.#call.bindingsOf(aor, true)
      return bindings.find((one) => one.device === device)
    } catch (error) {
      this.#call.storeFailed(error)
      return binding
    }
  }

  #isWanted({ device, isAwake }: Wake): boolean {
    return this.#call.context.isOpen && !isAwake && !this.#rings(device)
  }

  #rings(device: string): boolean {
    return this.#call.context.branches.some((branch) => branch.target.device === device && branch.state === 'ringing')
  }

  #send(wake: Wake, binding: Binding): void {
    const call = this.#call
    wake.state = 'sent'
    wake.at = this.#now
    wake.binding = binding
    call.note(`pushed ${binding.contact}`)
    const pushed = call.parts.pusher.push({
      binding,
      purpose: call.request.method === 'INVITE' ? 'call' : 'request',
      call: pushedCall(call),
      callId: call.request.callId,
      caller: call.request.from?.uri ?? '',
      ...(wake.action.data && { data: wake.action.data }),
      ttlSeconds: Math.min(LONGEST_TTL_SECONDS, Math.ceil((wake.until - wake.at) / 1000)),
      until: wake.until,
      isWanted: () => this.#isWanted(wake),
    })
    void pushed.then((done) => this.#done(wake, binding, done))
    this.#tellProgress(wake, false)
  }

  #done(wake: Wake, binding: Binding, { outcome, error }: Pushed): void {
    const call = this.#call
    wake.state = outcome
    if (outcome === 'accepted') {
      wake.acceptedAt = this.#now
      call.parts.pushMetrics.stage(binding, 'accepted', wake.acceptedAt - wake.at)
      if (this.#isOver) return
    } else call.note(`push ${outcome}: ${binding.contact}${error === undefined ? '' : ` (${error})`}`)
    this.#tellProgress(wake, true)
    if (outcome === 'token_invalid') this.#endIfNobodyCanCome(wake.aor)
  }

  /** The caller hears that somebody is being woken, unless it hears more already. */
  #tellProgress({ action: { progress = 182, reportStatus } }: Wake, isChange: boolean): void {
    const { context, hasRung } = this.#call
    if (progress === false || hasRung || !context.isInvite || !context.isOpen) return
    if (this.#hasProgressed && !(isChange && reportStatus)) return
    this.#hasProgressed = true
    const headers: [string, string][] = reportStatus ? [['Push-Status', this.#status()]] : []
    context.respondLocally(progress, undefined, { headers })
  }

  /** `waking;sent=2;accepted=1;failed=0;invalid=1` */
  #status(): string {
    const states = [...this.#wakes.values()].map(({ state }) => state)
    const count = (...which: WakeRecord['state'][]) => states.filter((state) => which.includes(state)).length
    const accepted = count('accepted')
    const failed = count('failed', 'limited', 'unsupported')
    return `waking;sent=${count('sent') + accepted + failed + count('token_invalid')};accepted=${accepted};failed=${failed};invalid=${count('token_invalid')}`
  }

  /** All that was pushed, or was to be, has turned out to be gone, and nobody rings. */
  #endIfNobodyCanCome(aor: string): void {
    if (this.#isOver || this.#call.context.branches.some(({ state }) => state === 'ringing')) return
    if (![...this.#wakes.values()].every(({ state }) => state === 'token_invalid')) return
    this.#call.nobodyCanCome(aor)
  }

  /** These places are rung: who has registered since it was pushed has woken up. */
  reached(targets: readonly Target[]): void {
    for (const { device, binding } of targets) {
      const wake = this.#wakes.get(device)
      if (!wake || wake.isAwake || !binding || binding.registeredAt < wake.at || wake.state === 'due') continue
      wake.isAwake = true
      wake.invitedAt = this.#now
      const { pushMetrics } = this.#call.parts
      pushMetrics.stage(binding, 'registered', Math.max(0, binding.registeredAt - (wake.acceptedAt || wake.at)))
      pushMetrics.stage(binding, 'invited', wake.invitedAt - binding.registeredAt)
    }
  }

  rang({ device, binding }: Target): void {
    const wake = this.#wakes.get(device)
    if (!wake) return
    wake.isAwake = true
    if (wake.invitedAt === 0 || !binding) return
    this.#call.parts.pushMetrics.stage(binding, 'ringing', this.#now - wake.invitedAt)
    wake.invitedAt = 0
  }

  /** The call has ended for who has not come yet: they are told, and no further push goes out. */
  over(reason: Over): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const wake of this.#wakes.values()) {
      this.#call.parts.timers.stop(wake.timer)
      if (wake.state === 'due') continue
      const isAsleep = !wake.isAwake && (wake.state === 'sent' || wake.state === 'accepted')
      const isTold = isAsleep && this.#call.context.isInvite && wake.until > this.#now
      if (wake.binding) this.#ended(wake, wake.binding, reason, isTold)
      else void this.#endedLater(wake, reason, isTold)
    }
  }

  #ended(wake: Wake, binding: Binding, reason: Over, isTold: boolean): void {
    const result = resultOf(wake, reason)
    if (result) this.#call.parts.pushMetrics.wake(binding, result)
    if (isTold) this.#farewell(binding, wake, reason)
  }

  /** Another process has pushed it. */
  async #endedLater(wake: Wake, reason: Over, isTold: boolean): Promise<void> {
    const binding = await this.#bindingOf(wake)
    if (binding?.push) this.#ended(wake, binding, reason, isTold)
  }

  #farewell(binding: Binding, { aor, device, at: pushedAt, until }: WakeRecord, reason: Over): void {
    const { parts, request, context, location, gateway } = this.#call
    const { routes, digest, received } = context
    parts.farewells
      .say(
        {
          ...{ call: pushedCall(this.#call), reason, aor, device, pushedAt, until, since: location.at, gateway },
          cancelReason: CANCEL_REASONS[reason],
          invite: { request, routes, digest, received },
        },
        binding,
      )
      .catch(parts.onBug)
  }

  /** Another process goes on with them. */
  stop(): void {
    this.#isOver = true
    for (const { timer } of this.#wakes.values()) this.#call.parts.timers.stop(timer)
  }

  get #now(): number {
    return this.#call.parts.clock.now()
  }
}

function resultOf({ isAwake, state }: Wake, reason: Over): WakeResult | undefined {
  if (isAwake) return 'woken'
  if (state === 'unwanted') return undefined
  if (state === 'accepted' || state === 'sent') return reason === 'ended' ? 'not_woken' : 'call_over'
  return state === 'unsupported' || state === 'due' ? 'failed' : state
}

/** What a device may know of the call. */
export function pushedCall(call: Call): NonNullable<PushMessage['call']> {
  const { request } = call
  const displayName = utf8(request.from?.display ?? '')
  return { id: call.id, from: request.from?.uri ?? '', to: call.uri, ...(displayName ? { displayName } : {}) }
}
