import type { Action } from '../../functions/contract/actions.ts'
import type { WaitOutcome } from '../../functions/contract/envelope.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Delivery, StoredSubscription, SuspendedTransaction } from '../../functions/store/store.ts'
import { listenerName } from '../proxy/next-hop.ts'
import { branchData, type Call } from './call.ts'
import { Interests, MAX_LIFE_MS, type Subscription, Wait } from './interests.ts'
import { eventData } from './request-data.ts'

/** How long a claim on a wait stands, so that a late second claimer finds it. Milliseconds. */
const CLAIM_TTL_MS = 60_000

/**
 * What a call waits for and has subscribed to, kept in the store and met by events. Each armed wait holds the response context open.
 */
export class Suspension {
  readonly interests: Interests
  readonly #call: Call
  #isStored = false
  #rev = 0
  #armed = 0

  constructor(call: Call) {
    this.#call = call
    this.interests = new Interests(call.parts.timers)
  }

  get rev(): number {
    return this.#rev
  }

  /**
   * Arms what an answer waits for and subscribes to, in one step of the store, before anything else of it is performed.
   * @returns events that came since the invocation's snapshot and meet what was armed
   */
  async arm(actions: readonly Action[]): Promise<Delivery[]> {
    const add: StoredSubscription[] = []
    const drop: string[] = []
    for (const action of actions) {
      if (action.action === 'subscribe') this.#armSubscription(action, add, drop)
      else if (action.action === 'wait' && this.#call.canWait) this.#armWait(action, add, drop)
    }
    this.#isStored = true
    // One of a name replaces the other also within one answer.
    const kept = drop.length === 0 ? add : add.filter(({ id }) => !drop.includes(id))
    return this.#call.parts.store.suspend({
      transaction: this.#record(),
      add: kept,
      drop,
      since: this.#call.location.at,
    })
  }

  #armSubscription(action: Extract<Action, { action: 'subscribe' }>, add: StoredSubscription[], drop: string[]): void {
    if (action.handler !== undefined && this.#call.parts.manifest.hasHandler(action.handler) === false) {
      this.#call.handlerUnknown(action.handler)
      return
    }
    if (action.name !== undefined)
      drop.push(...this.interests.dropSubscriptions((each) => each.action.name === action.name))
    add.push(this.interests.addSubscription(action, this.#origin()))
  }

  #armWait(action: Extract<Action, { action: 'wait' }>, add: StoredSubscription[], drop: string[]): void {
    const armed = this.interests.waits.get(action.name)
    if (armed) drop.push(...this.#disarm(armed))
    const claimKey = `${this.#call.id}/${action.name}/${++this.#armed}`
    const wait = new Wait(action.name, action.resume, claimKey, (late) =>
      this.#resolve(late, { name: late.name, timedOut: true }),
    )
    this.#call.context.hold()
    add.push(...this.interests.addWait(action, wait, this.#origin()))
  }

  #origin() {
    const { ids, clock, gatewayId } = this.#call.parts
    return { transaction: this.#call.id, gateway: gatewayId, now: clock.now(), newId: () => ids.next('subscription') }
  }

  #record(): SuspendedTransaction {
    return new SuspendedCall(this.#call, this.interests, ++this.#rev)
  }

  /** Whether a wait that is armed asks for the outcome of that fork. */
  awaitsFork(id: string): boolean {
    for (const wait of this.interests.waits.values()) if (wait.forks.includes(id)) return true
    return false
  }

  /** A fork has come to its end: resumes who awaits it. */
  forkEnded(id: string, answered: boolean, status: number): void {
    for (const wait of [...this.interests.waits.values()]) {
      if (wait.forks.includes(id))
        this.#resolve(wait, { name: wait.name, timedOut: false, fork: { id, answered, status } })
    }
  }

  /** An event has met a wait or a subscription of this call. */
  deliver(delivery: Delivery): void {
    const { event } = delivery
    const wait = this.interests.waitOfSubscription(delivery.subscription)
    if (wait) {
      this.#resolve(wait, { name: wait.name, timedOut: false, event: eventData(event) }, event)
      return
    }
    const subscription = this.interests.subscriptions.get(delivery.subscription)
    if (subscription && this.interests.fires(subscription, event.id, this.#call.parts.clock.now()))
      this.#call.fire(subscription, event)
  }

  /** Event, deadline or outcome: the first to claim the wait resumes the call. */
  #resolve(wait: Wait, outcome: WaitOutcome, event?: RouseEvent): void {
    const drop = this.interests.dropWait(wait)
    void this.#claim(wait).then((won) => {
      if (won) this.#call.resume(wait, outcome, event)
      this.#forget(drop)
      this.#call.context.release()
    })
  }

  async #claim(wait: Wait): Promise<boolean> {
    if (wait.subscriptions.length === 0) return true
    try {
      return await this.#call.parts.store.claim(wait.claimKey, CLAIM_TTL_MS)
    } catch (error) {
      // Without the store nobody else can have resumed the call either: this gateway owns it.
      this.#call.troubled(error)
      return true
    }
  }

  /** Takes back subscriptions and waits: those of that name, or all. */
  unsubscribe(name: string | undefined): void {
    const drop = this.interests.dropSubscriptions((each) => name === undefined || each.action.name === name)
    for (const wait of [...this.interests.waits.values()])
      if (name === undefined || wait.name === name) drop.push(...this.#disarm(wait))
    this.#forget(drop)
  }

  /** After the final response: waits are over, and so are subscriptions that `which` picks. */
  dropAfterFinal(which: (subscription: Subscription) => boolean): void {
    const drop = this.interests.dropSubscriptions(which)
    for (const wait of [...this.interests.waits.values()]) drop.push(...this.#disarm(wait))
    this.#forget(drop)
  }

  #disarm(wait: Wait): string[] {
    const drop = this.interests.dropWait(wait)
    this.#call.context.release()
    return drop
  }

  #forget(drop: string[]): void {
    if (!this.#isStored) return
    const { store } = this.#call.parts
    const failed = (error: unknown) => this.#call.troubled(error)
    if (this.interests.isEmpty && this.#call.context.finalStatus !== 0) {
      this.#isStored = false
      store.release(this.#call.id).catch(failed)
    } else if (drop.length > 0) {
      store.suspend({ transaction: this.#record(), add: [], drop, since: this.#call.location.at }).catch(failed)
    }
  }
}

/**
 * What has to be known to take the call up again. A store that is elsewhere reads it when it writes it; the one in this process keeps the
 * record, and with it no second copy of the request.
 */
class SuspendedCall implements SuspendedTransaction {
  readonly id: string
  readonly gateway: string
  readonly rev: number
  readonly callId: string
  readonly expiresAt: number
  readonly #call: Call
  readonly #interests: Interests

  constructor(call: Call, interests: Interests, rev: number) {
    this.id = call.id
    this.gateway = call.parts.gatewayId
    this.rev = rev
    this.callId = call.request.callId
    this.expiresAt = call.parts.clock.now() + MAX_LIFE_MS
    this.#call = call
    this.#interests = interests
  }

  get state(): string {
    const { request, path, flow, context, functionContext } = this.#call
    return JSON.stringify({
      request: request.text,
      path,
      flow: {
        transport: flow.transport,
        address: flow.remoteAddress,
        port: flow.remotePort,
        listener: listenerName(flow.listener),
      },
      branches: context.branches.map(branchData),
      waits: [...this.#interests.waits.values()].map(({ name, forks, subscriptions }) => ({
        name,
        forks,
        subscriptions,
      })),
      context: functionContext,
    })
  }
}
