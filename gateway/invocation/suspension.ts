import type { Action } from '../../functions/contract/actions.ts'
import { durationMs } from '../../functions/contract/duration.ts'
import type { WaitOutcome } from '../../functions/contract/envelope.ts'
import type { Filter, RouseEvent } from '../../functions/contract/events.ts'
import type { Delivery, DroppedSubscription, StoredSubscription } from '../../functions/store/store.ts'
import { canonicalAor } from '../sip/uri.ts'
import type { TimerHandle } from '../transaction/timer-queue.ts'
import type { Call } from './call.ts'
import { Interests, type Subscription, Wait } from './interests.ts'
import type { Job } from './invocations.ts'
import { isRepeatable, type Work } from './perform.ts'
import { type CallRecord, SuspendedCall, type SuspensionRecord, type WaitRecord, type WorkRecord } from './record.ts'
import { eventData } from './request-data.ts'
import type { Unwritten } from './writing.ts'

/** How long a claim on a wait stands, so that a late second claimer finds it. Milliseconds. */
const CLAIM_TTL_MS = 60_000
/** A branch that has not made a sound by then is written down as silent. Milliseconds; T1 of RFC 3261. */
const SILENT_MS = 500
/** For so long a phone is given to wake, and its user to answer, before what rings meanwhile is written down. Milliseconds. */
const SOON_MS = 15_000

const WRITTEN = Promise.resolve()

/**
 * What a call waits for and has subscribed to, kept in the store and met by events. Each armed wait holds the response context open.
 * From the first of them to the final response the store has a record of the whole call, which is written anew when it changes.
 */
export class Suspension implements SuspensionRecord, Unwritten {
  readonly interests: Interests
  readonly resumptions: Job[] = []
  readonly #call: Call
  readonly #works: Work[] = []
  isStored = false
  rev = 0
  armed = 0
  /** Subscriptions that the next write adds, and takes back. */
  #add: StoredSubscription[] = []
  #drop: DroppedSubscription[] = []
  #isDue = false
  #isFrozen = false
  /** The last write; never rejects. */
  #writing: Promise<unknown> = WRITTEN
  /** When changes are written that can wait. */
  #late: TimerHandle | undefined
  /** An event or a deadline has woken it. */
  #isWoken = false
  /** The last write has failed. */
  #hasFailed = false
  /** The store has had it as one that is talked on: whoever has its calls there goes on with it. */
  isHanded = false
  /** The store has nothing of it any more. */
  #isLost = false

  constructor(call: Call) {
    this.#call = call
    this.interests = new Interests(call.parts.timers)
  }

  get works(): WorkRecord[] {
    return this.#works.map(({ actions, next, event, missed, begunAt }) => ({
      actions: actions.slice(next),
      event,
      missed: [...missed],
      begunAt,
    }))
  }

  /** Something is performed that a record of the call leads on with. */
  get isAtWork(): boolean {
    return this.#works.length > 0
  }

  /** An answer is being performed. */
  begin(work: Work): void {
    if (work.actions.length > 0) this.#works.push(work)
  }

  end(work: Work): void {
    const at = this.#works.indexOf(work)
    if (at < 0) return
    this.#works.splice(at, 1)
    if (!isRepeatable(work)) this.changed()
  }

  /**
   * Arms what an answer waits for and subscribes to, in one step of the store, before anything else of it is performed. A store that is away
   * keeps nobody from waiting: it is written down later, and until then this process is all that knows of it.
   * @returns events that came since the invocation's snapshot and meet what was armed
   */
  async arm(actions: readonly Action[]): Promise<Delivery[]> {
    const { context, dialogs } = this.#call
    // The answer comes too late: nothing can come of it any more.
    if (!context.isOpen && dialogs.length === 0) return []
    const add: StoredSubscription[] = []
    for (const action of actions) {
      if (action.action === 'subscribe') this.#armSubscription(action, add)
      else if (action.action === 'wait' && this.#call.canWait) this.#armWait(action, add)
      else if (action.action === 'halt') this.#call.halt(durationMs(action.for)!)
    }
    if (this.#isFrozen) return []
    this.isStored = true
    return this.#write(add).catch(() => [])
  }

  #armSubscription(action: Extract<Action, { action: 'subscribe' }>, add: StoredSubscription[]): void {
    if (action.handler !== undefined && this.#call.parts.manifest.hasHandler(action.handler) === false) {
      this.#call.handlerUnknown(action.handler)
      return
    }
    if (action.name !== undefined)
      this.#drop.push(...this.interests.dropSubscriptions((each) => each.action.name === action.name))
    add.push(this.interests.addSubscription(action, this.#origin()))
  }

  #armWait(action: Extract<Action, { action: 'wait' }>, add: StoredSubscription[]): void {
    const armed = this.interests.waits.get(action.name)
    if (armed) this.#disarm(armed)
    const claimKey = `${this.#call.id}/${action.name}/${++this.armed}`
    const wait = this.#wait({
      name: action.name,
      resume: action.resume,
      claimKey,
      forks: [],
      events: [],
      filters: [],
      subscriptions: [],
    })
    add.push(...this.interests.addWait(action, wait, this.#origin()))
  }

  #wait(facts: Omit<WaitRecord, 'deadline'>): Wait {
    this.#call.context.hold()
    return new Wait(facts, (late) => this.#resolve(late, { name: late.name, timedOut: true }))
  }

  get #owner() {
    return { transaction: this.#call.id, gateway: this.#call.gateway }
  }

  #origin() {
    const { ids, clock } = this.#call.parts
    return { ...this.#owner, now: clock.now(), newId: () => ids.next('subscription') }
  }

  /** Goes on where another process has left off: its waits and subscriptions are in the store. */
  takeUp(record: Pick<CallRecord, 'waits' | 'subscriptions' | 'armed' | 'talk'>, rev: number): void {
    const { waits, subscriptions, armed, talk } = record
    this.isStored = true
    this.isHanded = talk !== undefined
    this.rev = rev
    this.armed = armed
    for (const wait of waits) this.interests.takeUpWait(this.#wait(wait), wait.deadline)
    for (const subscription of subscriptions) this.interests.takeUpSubscription(subscription)
  }

  // The record in the store

  /**
   * Something is not as the record says: it is written once what goes on in this turn is done, and not before an earlier write is
   * through, so that a burst of changes is one write.
   */
  changed(): void {
    if (!this.isStored || this.#isDue) return
    this.#isDue = true
    void this.#writing.then(() => {
      if (this.#isDue) this.#writeNow()
    })
  }

  /** The call is to outlive this process, whether it waits for anything or not. */
  keep(): void {
    if (this.isStored || this.#isFrozen) return
    this.isStored = true
    this.changed()
  }

  /**
   * Something is not as the record says, but what it says leads there again: branches are sent under the same names, and phones say again
   * that they ring. It is written with what is written sooner, if that can be expected.
   */
  changedRepeatably(): void {
    if (!this.isStored || this.#isDue) return
    const patienceMs = this.#patienceMs()
    if (patienceMs === 0) return this.changed()
    const { timers } = this.#call.parts
    if (this.#late && this.#late.dueMs <= timers.now() + patienceMs) return
    timers.stop(this.#late)
    this.#late = timers.start(patienceMs, this, 'late')
  }

  /** The next write is near where an event is awaited, and where one has come and the phone that it woke has only to be answered. */
  #patienceMs(): number {
    if (this.#isWoken || this.interests.awaitsEvent) return SOON_MS
    return this.#call.context.branches.some((branch) => branch.isLive && branch.status === 0) ? SILENT_MS : 0
  }

  /** Settled once what has changed until now is written, or the store has failed to take it. */
  async written(): Promise<void> {
    // A wait that is over is written when its turn is complete, see #resume.
    await undefined
    // What is under way may have begun before the change, and then the next one has it: no need to wait for a call that never rests.
    for (let writes = 0, last: unknown; writes < 3 && (this.#isDue || last !== this.#writing); writes++) {
      last = this.#writing
      await last
    }
  }

  /** The process is to end, and its calls are to be taken up by the next: what is due is written, and nothing afterwards. */
  async freeze(): Promise<void> {
    if (this.#isDue || this.#late || this.resumptions.length > 0) this.#writeNow()
    this.#isFrozen = true
    this.isStored = false
    this.#stopLate()
    this.#call.parts.writing.delete(this)
    await this.#writing
  }

  /** Another gateway has written it meanwhile: what is written from now on counts, not what that has written. */
  isAt(rev: number): void {
    this.rev = Math.max(this.rev, rev)
  }

  /** The store has lost it, or knows it as another gateway's: the next write is one of everything. */
  lost(): void {
    this.#isLost = true
    this.isHanded = false
  }

  async writeAgain(): Promise<boolean> {
    if (this.isStored) this.#writeNow()
    else this.#release()
    await this.written()
    return !this.#hasFailed
  }

  /** Trouble with the store is told; the call goes on without it. */
  #writeNow(): void {
    this.#isDue = false
    if (!this.isStored) return
    this.#write([]).then(
      (missed) => {
        for (const delivery of missed) this.deliver(delivery)
      },
      () => {},
    )
  }

  /** What an earlier write could not add or drop goes with it. */
  #write(adding: readonly StoredSubscription[]): Promise<Delivery[]> {
    const { parts, location } = this.#call
    const drop = this.#drop
    const wanted = this.#isLost ? this.interests.stored(this.#owner) : [...this.#add, ...adding]
    // One of a name replaces the other also within one answer.
    const add = wanted.filter(({ id }) => !drop.some((dropped) => dropped.id === id))
    this.#drop = []
    this.#add = []
    this.#isLost = false
    const transaction = this.#record()
    const { isKept } = this.#call
    const written = parts.store.suspend({ transaction, add, drop, since: location.at })
    this.#writing = written.then(
      () => {
        this.#succeeded()
        if (isKept) this.isHanded = true
      },
      (error: unknown) => this.#failed(error, add, drop),
    )
    return written
  }

  /** The call as it is now: nothing else is due. */
  #record(): SuspendedCall {
    this.#isDue = false
    this.#stopLate()
    return new SuspendedCall(this.#call, this, ++this.rev)
  }

  #stopLate(): void {
    this.#call.parts.timers.stop(this.#late)
    this.#late = undefined
  }

  #succeeded(): void {
    this.#hasFailed = false
  }

  #failed(error: unknown, add: StoredSubscription[], drop: DroppedSubscription[]): void {
    this.#tell(error)
    this.#add.push(...add)
    this.#drop.push(...drop)
    if (!this.#isFrozen) this.#call.parts.writing.add(this)
  }

  /** The first of several failures is told, all are counted. */
  #tell(error: unknown): void {
    const { parts, request } = this.#call
    parts.count('store failures')
    if (this.#hasFailed) return
    this.#hasFailed = true
    parts.log.error('the store has failed for a suspended call', { callId: request.callId, error: String(error) })
  }

  onTimer(): void {
    this.#late = undefined
    this.changed()
  }

  #release(): void {
    const { parts, id, gateway } = this.#call
    this.#stopLate()
    parts.writing.delete(this)
    this.isStored = false
    this.#add = []
    const subscriptions = this.#drop
    this.#drop = []
    this.#writing = parts.store.release(id, this.rev, { gateway, subscriptions }).then(
      () => this.#succeeded(),
      (error: unknown) => this.#failed(error, [], subscriptions),
    )
  }

  // What events, deadlines and forks bring

  /** Whether a wait that is armed asks for the outcome of that fork. */
  awaitsFork(id: string): boolean {
    for (const wait of this.interests.waits.values()) if (wait.forks.includes(id)) return true
    return false
  }

  /** None of the devices of that AOR that were pushed can come: whoever waits for nothing but their registration waits no longer. */
  nobodyCanCome(aor: string): void {
    for (const wait of [...this.interests.waits.values()]) {
      if (wait.forks.length > 0 || wait.filters.length === 0) continue
      if (wait.filters.every((filter, index) => isRegistration(wait.events[index]!) && isJust(filter.aor, aor)))
        this.#resolve(wait, { name: wait.name, timedOut: true, noDevice: true })
    }
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
    if (!subscription || !this.interests.fires(subscription, event.id, this.#call.parts.clock.now())) return
    this.#isWoken = true
    this.#call.fire(subscription, event)
  }

  /** Event, deadline or outcome: the first to claim the wait resumes the call. */
  #resolve(wait: Wait, outcome: WaitOutcome, event?: RouseEvent): void {
    const resumption = this.#call.resumption(wait, outcome, event)
    this.#drop.push(...this.interests.dropWait(wait))
    this.resumptions.push(resumption)
    void this.#resume(wait, resumption)
  }

  /** Written when this turn's change is complete. After `freeze` it is for the next process to resume. */
  async #resume(wait: Wait, resumption: Job): Promise<void> {
    await undefined
    if (this.#isFrozen) return
    const won = await this.#claim(wait)
    this.resumptions.splice(this.resumptions.indexOf(resumption), 1)
    if (won) this.#call.resume(resumption)
    else this.changed()
    this.#call.context.release()
  }

  /**
   * Claims the wait in the step that writes what came of it: a claim whose winner is gone, and with it what it was won with, would leave
   * the call waiting for nothing.
   */
  async #claim({ subscriptions, claimKey: claim }: Wait): Promise<boolean> {
    if (!this.isStored || subscriptions.length === 0) {
      this.#writeNow()
      return true
    }
    this.#isWoken = true
    const claimed = this.#call.parts.store.resume({ transaction: this.#record(), claim, ttlMs: CLAIM_TTL_MS })
    // Without the store nobody else can have resumed the call either: this gateway owns it.
    const decided = claimed.then(
      (won) => {
        this.#succeeded()
        return won
      },
      (error: unknown) => {
        this.#failed(error, [], [])
        return true
      },
    )
    this.#writing = decided
    return decided
  }

  /** Takes back subscriptions and waits: those of that name, or all. */
  unsubscribe(name: string | undefined): void {
    this.#drop.push(...this.interests.dropSubscriptions((each) => name === undefined || each.action.name === name))
    for (const wait of [...this.interests.waits.values()])
      if (name === undefined || wait.name === name) this.#disarm(wait)
    this.#releaseIfOver()
  }

  /** After the final response: waits are over, and so are subscriptions that `which` picks. */
  dropAfterFinal(which: (subscription: Subscription) => boolean): void {
    this.#drop.push(...this.interests.dropSubscriptions(which))
    for (const wait of [...this.interests.waits.values()]) this.#disarm(wait)
    this.#releaseIfOver()
  }

  #disarm(wait: Wait): void {
    this.#drop.push(...this.interests.dropWait(wait))
    this.#call.context.release()
  }

  #releaseIfOver(): void {
    if (!this.isStored) return
    if (this.interests.isEmpty && this.#call.context.finalStatus !== 0 && !this.#call.isKept) this.#release()
    else this.changed()
  }
}

function isRegistration(event: string): boolean {
  return event === 'contact.registered' || event === 'contact.*'
}

function isJust(value: Filter[string] | undefined, aor: string): boolean {
  const values = Array.isArray(value) ? value : [value]
  return values.length === 1 && typeof values[0] === 'string' && canonicalAor(values[0]) === aor
}
