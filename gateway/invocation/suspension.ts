import type { Action } from '../../functions/contract/actions.ts'
import { durationMs } from '../../functions/contract/duration.ts'
import type { WaitOutcome } from '../../functions/contract/envelope.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Delivery, StoredSubscription } from '../../functions/store/store.ts'
import type { TimerHandle } from '../transaction/timer-queue.ts'
import type { Call } from './call.ts'
import { Interests, type Subscription, Wait } from './interests.ts'
import type { Job } from './invocations.ts'
import type { Work } from './perform.ts'
import { type CallRecord, SuspendedCall, type SuspensionRecord, type WaitRecord, type WorkRecord } from './record.ts'
import { eventData } from './request-data.ts'

/** How long a claim on a wait stands, so that a late second claimer finds it. Milliseconds. */
const CLAIM_TTL_MS = 60_000
/** What the store did not take is given to it again after this, in milliseconds, until it does. */
const RETRY_MS = 5000

const WRITTEN = Promise.resolve()

/**
 * What a call waits for and has subscribed to, kept in the store and met by events. Each armed wait holds the response context open.
 * From the first of them to the final response the store has a record of the whole call, which is written anew when it changes.
 */
export class Suspension implements SuspensionRecord {
  readonly interests: Interests
  readonly resumptions: Job[] = []
  readonly #call: Call
  readonly #works: Work[] = []
  isStored = false
  rev = 0
  armed = 0
  /** Subscriptions that the next write adds, and takes back. */
  #add: StoredSubscription[] = []
  #drop: string[] = []
  #isDue = false
  #isFrozen = false
  /** The last write; never rejects. */
  #writing: Promise<unknown> = WRITTEN
  #retry: TimerHandle | undefined

  constructor(call: Call) {
    this.#call = call
    this.interests = new Interests(call.parts.timers)
  }

  get works(): WorkRecord[] {
    return this.#works.map(({ actions, next, event, missed }) => ({
      actions: actions.slice(next),
      event,
      missed: [...missed],
    }))
  }

  /** An answer is being performed. */
  begin(work: Work): void {
    if (work.actions.length > 0) this.#works.push(work)
  }

  end(work: Work): void {
    const at = this.#works.indexOf(work)
    if (at < 0) return
    this.#works.splice(at, 1)
    this.changed()
  }

  /**
   * Arms what an answer waits for and subscribes to, in one step of the store, before anything else of it is performed.
   * @returns events that came since the invocation's snapshot and meet what was armed
   */
  async arm(actions: readonly Action[]): Promise<Delivery[]> {
    const add: StoredSubscription[] = []
    for (const action of actions) {
      if (action.action === 'subscribe') this.#armSubscription(action, add)
      else if (action.action === 'wait' && this.#call.canWait) this.#armWait(action, add)
      else if (action.action === 'halt') this.#call.halt(durationMs(action.for)!)
    }
    if (this.#isFrozen) return []
    this.isStored = true
    return this.#write(add)
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
      subscriptions: [],
    })
    add.push(...this.interests.addWait(action, wait, this.#origin()))
  }

  #wait(facts: Omit<WaitRecord, 'deadline'>): Wait {
    this.#call.context.hold()
    return new Wait(facts, (late) => this.#resolve(late, { name: late.name, timedOut: true }))
  }

  #origin() {
    const { ids, clock } = this.#call.parts
    return {
      transaction: this.#call.id,
      gateway: this.#call.gateway,
      now: clock.now(),
      newId: () => ids.next('subscription'),
    }
  }

  /** Goes on where another process has left off: its waits and subscriptions are in the store. */
  takeUp({ waits, subscriptions, armed }: Pick<CallRecord, 'waits' | 'subscriptions' | 'armed'>, rev: number): void {
    this.isStored = true
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

  /** The process is to end, and its calls are to be taken up by the next: what is due is written, and nothing afterwards. */
  async freeze(): Promise<void> {
    if (this.#isDue) this.#writeNow()
    this.#isFrozen = true
    this.isStored = false
    this.#call.parts.timers.stop(this.#retry)
    await this.#writing
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
    const drop = this.#drop
    // One of a name replaces the other also within one answer.
    const add = [...this.#add, ...adding].filter(({ id }) => !drop.includes(id))
    this.#drop = []
    this.#add = []
    this.#isDue = false
    const transaction = new SuspendedCall(this.#call, this, ++this.rev)
    const written = this.#call.parts.store.suspend({ transaction, add, drop, since: this.#call.location.at })
    this.#writing = written.then(
      () => {},
      (error: unknown) => this.#failed(error, add, drop),
    )
    return written
  }

  #failed(error: unknown, add: StoredSubscription[], drop: string[]): void {
    this.#tell(error)
    this.#add.push(...add)
    this.#drop.push(...drop)
    this.#retry ??= this.#call.parts.timers.start(RETRY_MS, this, 'store again')
  }

  #tell(error: unknown): void {
    const { parts, request } = this.#call
    parts.count('store failures')
    parts.log.error('the store has failed for a suspended call', { callId: request.callId, error: String(error) })
  }

  onTimer(): void {
    this.#retry = undefined
    if (this.isStored) this.changed()
    else this.#release()
  }

  #release(): void {
    const { parts, id } = this.#call
    parts.timers.stop(this.#retry)
    this.#retry = undefined
    this.isStored = false
    this.#add = []
    this.#drop = []
    parts.store.release(id).catch((error: unknown) => this.#failed(error, [], []))
  }

  // What events, deadlines and forks bring

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
    const resumption = this.#call.resumption(wait, outcome, event)
    this.#drop.push(...this.interests.dropWait(wait))
    this.resumptions.push(resumption)
    void this.#resume(wait, resumption)
  }

  /**
   * The record says what came of the wait before it is claimed: a claim whose winner is gone, and with it what it was won with, would
   * leave the call waiting for nothing. Written when this turn's change is complete.
   */
  async #resume(wait: Wait, resumption: Job): Promise<void> {
    await undefined
    this.#writeNow()
    const won = await this.#claim(wait)
    this.resumptions.splice(this.resumptions.indexOf(resumption), 1)
    if (won) this.#call.resume(resumption)
    else this.changed()
    this.#call.context.release()
  }

  async #claim(wait: Wait): Promise<boolean> {
    if (wait.subscriptions.length === 0) return true
    try {
      return await this.#call.parts.store.claim(wait.claimKey, CLAIM_TTL_MS)
    } catch (error) {
      // Without the store nobody else can have resumed the call either: this gateway owns it.
      this.#tell(error)
      return true
    }
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
    if (this.interests.isEmpty && this.#call.context.finalStatus !== 0) this.#release()
    else this.changed()
  }
}
