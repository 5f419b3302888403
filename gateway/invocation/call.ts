import { createHash } from 'node:crypto'
import type { ActionOf } from '../../functions/contract/actions.ts'
import type { Branch as BranchData, InvocationData, WaitOutcome } from '../../functions/contract/envelope.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import { handlerPath } from '../../functions/contract/path.ts'
import type { Problem } from '../../functions/contract/problem.ts'
import { resolveFromEvent } from '../../functions/contract/reaction.ts'
import { contactData } from '../../functions/store/contact-data.ts'
import type { Binding, Delivery, Location } from '../../functions/store/store.ts'
import { everyBinding } from '../../functions/store/whereabouts.ts'
import type { Dialog } from '../dialog/dialog.ts'
import { reasonValue } from '../dialog/hangup.ts'
import type { Branch } from '../proxy/branch.ts'
import { ProxyContext, type ProxyOwner } from '../proxy/context.ts'
import type { Fork, ForkPolicy } from '../proxy/fork.ts'
import { ProxyCore } from '../proxy/proxy.ts'
import type { RouteDecision } from '../proxy/route.ts'
import { bindingTarget, type Target } from '../proxy/target.ts'
import type { SipMessage } from '../sip/message.ts'
import { withoutPush } from '../sip/push-params.ts'
import type { TimerHandle } from '../transaction/timer-queue.ts'
import type { ServerTransaction } from '../transaction/types.ts'
import type { Flow } from '../transport/types.ts'
import { CallCharge } from './charge.ts'
import type { Subscription, Wait } from './interests.ts'
import { Invocations, type Job } from './invocations.ts'
import type { CallParts } from './parts.ts'
import { perform } from './perform.ts'
import { latin1 } from './request-data.ts'
import { Suspension } from './suspension.ts'
import type { TakenUp } from './take-up.ts'
import { Talk, type TalkState } from './talk.ts'
import { Telling } from './telling.ts'
import { Wakes } from './wakes.ts'
import { serveWithoutFunction } from './without-function.ts'

/** What was found out about a request before it became a call. */
export interface CallFacts {
  routes: RouteDecision
  /** Whose location the request asks for. */
  aor: string
  /** Routing key, see invocationPath. */
  path: string
  isLocal: boolean
  /** See loopDigest. */
  digest: string
  /** See receivedOf. */
  received: { address: string; port: number } | null
}

/** A location that an event brings spares a look-up, unless the event is older than this. Milliseconds. */
const FRESH_MS = 2000
/** RFC 3261 17.2.1. */
const TRYING_MS = 200
/** A caller who has heard nothing repeats his INVITE after T1, 500 ms: 100 waits for the store for as long as it comes well before that. */
const TRYING_AT_LAST_MS = 400
/** A call that rings so long is written down for whoever has it next: most that end sooner were refused, or picked up by machines. */
const KEEP_MS = 500
const NOBODY: readonly never[] = []
const NOWHERE: Location = { bindings: [], at: '' }
export const RETRY_LATER: { headers: [string, string][] } = { headers: [['Retry-After', '10']] }

/**
 * One initial request and what became of it: its response context, the invocations that decide about it, what it waits for, and the
 * dialogs it leads to.
 */
export class Call implements ProxyOwner {
  readonly id: string
  /** Whose call it is: this gateway's, or that of one whose calls it has adopted. */
  gateway: string
  /** Whose it was before, while it was talked on. */
  formerly: readonly string[] = NOBODY
  readonly parts: CallParts
  readonly request: SipMessage
  readonly context: ProxyContext
  /** Request-URI to go by, after the Route header fields were read. */
  readonly uri: string
  readonly aor: string
  readonly isLocal: boolean
  readonly path: string
  readonly flow: Flow
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  readonly telling: Telling
  readonly #talk: Talk
  /** What handlers noted about the call; undefined while they have not. */
  annotations: Map<string, string> | undefined
  /** The location of the callee as it was before the last invocation. */
  location: Location = NOWHERE
  /** That was read: when it is empty, nobody is registered. */
  isLocated = false
  /** The function's own, echoed back in every invocation. */
  functionContext: unknown
  readonly invocations: Invocations
  readonly #onFinished: (call: Call, hasEnded: boolean) => void
  #suspension: Suspension | undefined
  #wakes: Wakes | undefined
  #haltTimer: TimerHandle | undefined
  #tryingTimer: TimerHandle | undefined
  /** Milliseconds since the epoch; undefined before. */
  ringingAt: number | undefined
  #charge: CallCharge | undefined
  isTakenUp = false
  #isFinished = false
  /** What the last `contact.registered` said. */
  #heard: { event: string; location: Location } | undefined

  /**
   * @param onFinished it is over, or another gateway has it
   * @param before     what the call was called, whose it was, and when it began, before a restart
   */
  constructor(
    parts: CallParts,
    server: ServerTransaction,
    facts: CallFacts,
    onFinished: (call: Call, hasEnded: boolean) => void,
    before?: { id: string; gateway: string; startedAt: number },
  ) {
    this.parts = parts
    this.gateway = before?.gateway ?? parts.gatewayId
    this.id = before?.id ?? parts.ids.next('transaction')
    this.request = server.request
    this.uri = facts.routes.uri
    this.aor = facts.aor
    this.isLocal = facts.isLocal
    this.path = facts.path
    this.flow = server.flow
    this.startedAt = before?.startedAt ?? parts.clock.now()
    this.#onFinished = onFinished
    this.telling = new Telling(this)
    this.#talk = new Talk(this)
    this.invocations = new Invocations(this)
    this.context = new ProxyContext(parts.proxy, server, this, {
      routes: facts.routes,
      digest: facts.digest,
      received: facts.received,
      recordRoutes: ProxyCore.formsDialog(server.method),
    })
    server.context = this.context
  }

  /** Asks the function that has a route for the request. */
  start(): void {
    this.#tryingSoon()
    this.invocations.enqueue({ id: this.newJobId(), type: 'sip.request', path: this.path })
  }

  /** No function has a route for such requests. */
  async startWithoutFunction(): Promise<void> {
    this.#tryingSoon()
    this.context.hold()
    await this.locate()
    this.parts.store.settle?.(this.location)
    await serveWithoutFunction(this)
    this.context.release()
  }

  /** Of an INVITE whose answer takes longer the caller hears that it is under way (RFC 3261 17.2.1). */
  #tryingSoon(): void {
    if (this.context.isInvite) this.#tryingTimer = this.parts.timers.start(TRYING_MS, this, 'trying')
  }

  /** From here on the caller need not wait for a word, and nobody repeats his INVITE. */
  trying(): void {
    const { timers, callsOutlive } = this.parts
    timers.stop(this.#tryingTimer)
    this.context.trying()
    if (callsOutlive && this.context.isInvite && this.context.isOpen && !this.isStored)
      this.#tryingTimer = timers.start(KEEP_MS, this, 'keep')
  }

  /**
   * Until then the caller repeats his INVITE, and whoever has the place of a gateway that is gone begins with that. From then on there is
   * no repeat: what was asked is written down first, so that somebody goes on with it.
   */
  async #tryingIsDue(): Promise<void> {
    if (!this.context.isOpen || this.context.server.lastResponse !== undefined) return
    if (this.parts.callsOutlive) {
      this.#tryingTimer = this.parts.timers.start(TRYING_AT_LAST_MS - TRYING_MS, this, 'trying at last')
      if (this.invocations.isAsking || this.#suspension?.isAtWork) this.suspension.keep()
      // What is performed now says it at its end.
      else if (this.invocations.isBusy && !this.isStored) return
      await this.written()
    }
    this.trying()
  }

  /** Reads where the callee is. While nobody can say, the call goes on by what was known before. */
  async locate(): Promise<void> {
    try {
      this.located(await this.parts.store.lookup(this.aor))
    } catch (error) {
      this.storeFailed(error)
    }
  }

  located(location: Location): void {
    this.location = location
    this.isLocated = true
  }

  /** Forks to the contacts of the callee: 480 when there are none, 404 when it is nobody of ours. */
  routeByLocation(): void {
    if (!this.isLocal) this.context.respondLocally(404)
    else if (!this.isLocated) this.#giveUp()
    else this.fork(this.location.bindings.map(bindingTarget), { mode: 'by-q' })
  }

  get rev(): number {
    return this.#suspension?.rev ?? 0
  }

  /** Something is not as the record in the store says, when there is one. */
  changed(): void {
    this.#suspension?.changed()
  }

  /** See Suspension.changedRepeatably. */
  changedRepeatably(): void {
    this.#suspension?.changedRepeatably()
  }

  /** See Suspension.written. */
  async written(): Promise<void> {
    await this.#suspension?.written()
  }

  /** See Suspension.freeze. */
  freeze(): Promise<void> {
    return this.suspension.freeze()
  }

  /** Another process goes on with it as it is now. */
  async letGo(): Promise<void> {
    await this.freeze()
    // What has ended meanwhile was told here.
    if (this.context.finalStatus !== 0 && this.dialogs.length === 0) await this.suspension.writeAgain()
    if (this.#isFinished) return
    this.#isFinished = true
    this.note('in the hands of another gateway')
    this.#talk.letGo()
    this.context.abandon()
    this.invocations.cancel()
    this.#endHalt()
    this.#wakes?.stop()
    for (const wait of [...this.suspension.interests.waits.values()]) this.suspension.interests.dropWait(wait)
    this.#onFinished(this, false)
  }

  get dialogs(): readonly Dialog[] {
    return this.#talk.dialogs
  }

  /** As another process needs it; undefined while nobody talks. */
  get talk(): TalkState | undefined {
    return this.#talk.state
  }

  /** People talk, and whoever has its calls next goes on with that. */
  get isKept(): boolean {
    return this.parts.callsOutlive && this.dialogs.length > 0
  }

  /** It is talked on, and the gateway that has followed it may still do so. */
  get isOthers(): boolean {
    return this.#talk.isOthers
  }

  /** See Talk.takeUp. */
  takeUpTalk(talk: TalkState, from: Omit<TakenUp, 'rev'>): void {
    this.#talk.takeUp(talk, from)
  }

  /** Nobody goes on with it: what is known of it is told. */
  lost(): void {
    this.#talk.lost()
  }

  /** From now on it is this gateway's: its former one, which is back, is told. */
  async stay(): Promise<void> {
    const { gatewayId, elsewhere } = this.parts
    this.formerly = [...new Set([...this.formerly, this.gateway])]
    this.gateway = gatewayId
    this.suspension.lost()
    this.changed()
    await this.written()
    // It may have ended meanwhile.
    if (this.dialogs.length > 0) await elsewhere.tell(this)
  }

  get callId(): string {
    return this.request.callId
  }

  /** Milliseconds since the epoch; undefined before. */
  get answeredAt(): number | undefined {
    return this.#talk.answeredAt
  }

  /** The store has a record of it. */
  get isStored(): boolean {
    return this.#suspension?.isStored === true
  }

  get transactionState(): InvocationData['transaction']['state'] {
    if (this.context.finalStatus === 0) return 'proceeding'
    return this.dialogs.length > 0 ? 'answered' : 'ended'
  }

  /** What it waits for; undefined when it never did. */
  get interests() {
    return this.#suspension?.interests
  }

  get suspension(): Suspension {
    this.#suspension ??= new Suspension(this)
    return this.#suspension
  }

  /** The devices that are woken for it; undefined while there are none. */
  get woken(): Wakes | undefined {
    return this.#wakes
  }

  get wakes(): Wakes {
    this.#wakes ??= new Wakes(this)
    return this.#wakes
  }

  /** Who pays for it; undefined while no handler has asked. */
  get charged(): CallCharge | undefined {
    return this.#charge
  }

  get charge(): CallCharge {
    this.#charge ??= new CallCharge(this)
    return this.#charge
  }

  /** It still rings, or is talked on: something can come of an event. */
  get canWait(): boolean {
    return this.context.isOpen || (this.dialogs.length > 0 && !this.invocations.isStale)
  }

  get isHalted(): boolean {
    return this.#haltTimer !== undefined
  }

  /** Milliseconds since the epoch. */
  get haltUntil(): number | undefined {
    return this.#haltTimer?.dueMs
  }

  get hasRung(): boolean {
    return this.ringingAt !== undefined
  }

  // What the response context tells

  /**
   * In a call that a restart does not end, a target has one name: when a process dies between sending a branch and writing it down, the
   * next one does the same again, and to the phone its INVITE is a repeat.
   */
  nameBranch(target: Target): string | undefined {
    if (!this.isStored) return undefined
    const place = placeOfTarget(target)
    const earlier = this.context.branches.filter((branch) => placeOfTarget(branch.target) === place).length
    return `${this.id}-${createHash('sha256').update(place).digest('hex').slice(0, 16)}-${earlier}`
  }

  onRinging(branch: Branch, response: SipMessage): void {
    this.#wakes?.rang(branch.target)
    if (this.hasRung) return
    this.ringingAt = this.parts.clock.now()
    this.note(`${branch.target.uri} rings (${response.status})`)
    this.telling.publishCall('call.ringing', response.status, response.reason)
  }

  onAnswered(branch: Branch, response: SipMessage): void {
    // A 2xx that is repeated after the BYE makes no dialog.
    if (this.request.method !== 'INVITE' || this.#isFinished) return
    this.#talk.answered(branch, response)
  }

  onOrphan(branch: Branch, response: SipMessage): void {
    this.#talk.orphaned(branch, response)
  }

  onBranchFailed(branch: Branch): void {
    this.note(`${branch.target.uri} has failed (${branch.status})`)
    const { onFailed } = branch.fork.policy
    if (onFailed !== undefined)
      this.invocations.enqueue({
        id: this.newJobId(),
        type: 'branch.failed',
        path: handlerPath(onFailed),
        branch: branchData(branch),
      })
    if (this.#haltTimer && this.#everyPushedDeviceSaidNo()) this.#endHalt()
  }

  onForkEnded(fork: Fork, answered: boolean, status: number): void {
    if (fork.policy.id !== undefined) this.#suspension?.forkEnded(fork.policy.id, answered, status)
  }

  onProgress(): void {
    this.changed()
  }

  onRepeatable(): void {
    this.changedRepeatably()
  }

  onCancelled(): void {
    this.note('the caller has cancelled')
    this.invocations.cancel()
    if (this.parts.manifest.wantsCancelled)
      this.invocations.enqueue({ id: this.newJobId(), type: 'transaction.cancelled', path: this.path })
    // What waits holds the final response back, which is another reason.
    this.#wakes?.over('caller_gone')
    this.#dropWhatWaits()
    this.telling.publishCall('call.cancelled', 487, 'Request Terminated')
  }

  onFinal(status: number, from: SipMessage | undefined): void {
    this.parts.timers.stop(this.#tryingTimer)
    const { log } = this.parts
    const isAnswer = status < 300
    if (!isAnswer) {
      this.note(`final response ${status}`)
      this.telling.failed(status, from)
    } else if (this.dialogs.length === 0 && this.request.method === 'INVITE') this.#talk.untracked()
    log.info('request answered', { method: this.request.method, callId: this.request.callId, uri: this.uri, status })
    this.#dropWhatWaits()
    this.#wakes?.over(isAnswer ? 'answered_elsewhere' : 'ended')
    this.finishIfDone()
  }

  // What actions ask for

  /** Forks, and tells who is woken by it which call that is. */
  fork(targets: readonly Target[], policy: ForkPolicy): void {
    this.trying()
    if (!this.#wakes?.size) return void this.context.fork(targets, policy)
    const set = { ...policy.headers?.set, 'Push-Call-ID': this.id }
    this.context.fork(targets, { ...policy, headers: { ...policy.headers, set } })
    this.#wakes.reached(targets)
  }

  /** All devices that were pushed are gone: nothing is left to wait for, and who waits is told. */
  nobodyCanCome(aor: string): void {
    this.note('no device is left that a push could wake')
    this.#suspension?.nobodyCanCome(aor)
    if (!this.#haltTimer) return
    this.parts.timers.stop(this.#haltTimer)
    this.#haltIsOver()
  }

  /** BYE to both ends of an answered call; a final response and CANCEL while it still rings. */
  hangUp(action: ActionOf<'hangup'>): void {
    this.note(`hung up${action.reason === undefined ? '' : `: ${action.reason}`}`)
    if (this.context.finalStatus === 0) {
      const reason = action.reason === undefined ? undefined : latin1(action.reason)
      this.context.respondLocally(action.status ?? 480, reason, {
        cancelReason: reason === undefined ? undefined : reasonValue(reason),
      })
      return
    }
    this.#talk.hangUp(action)
  }

  /** Keeps the transaction open for late branches; a later halt replaces the deadline. */
  halt(ms: number): void {
    if (!this.context.isOpen) return
    if (this.#haltTimer) this.parts.timers.stop(this.#haltTimer)
    else this.context.hold()
    this.#haltTimer = this.parts.timers.start(ms, this, 'halt')
  }

  onTimer(kind: 'halt' | 'trying' | 'trying at last' | 'keep'): void {
    if (kind === 'halt') this.#haltIsOver()
    else if (kind === 'keep') this.#keep()
    else if (kind === 'trying') void this.#tryingIsDue()
    else this.trying()
  }

  #keep(): void {
    if (this.context.isOpen) this.suspension.keep()
  }

  #haltIsOver(): void {
    this.note('the halt is over')
    this.#haltTimer = undefined
    this.context.stopWaiting()
    this.changed()
  }

  #endHalt(): void {
    if (!this.#haltTimer) return
    this.parts.timers.stop(this.#haltTimer)
    this.#haltTimer = undefined
    this.context.release()
  }

  /** Every device that was pushed has come, and its user has said no: nothing is left to wait for. */
  #everyPushedDeviceSaidNo(): boolean {
    if (!this.#wakes?.size) return false
    for (const device of this.#wakes.devices) {
      if (!this.context.branches.some((branch) => branch.target.device === device && branch.wasRefused)) return false
    }
    return true
  }

  /** Whom a push may reach, those asleep too: the callee's own devices as last read, others from the store. */
  async bindingsOf(aor: string, isAskedAgain = false): Promise<readonly Binding[]> {
    return everyBinding(aor === this.aor && !isAskedAgain ? this.location : await this.parts.store.lookup(aor))
  }

  /** Resumes at once with the contacts of an AOR. */
  async lookup(name: string, aor: string): Promise<void> {
    const { bindings } = await this.parts.store.lookup(aor)
    const now = this.parts.clock.now()
    const contacts = bindings.map((binding) => contactData(binding, now))
    this.invocations.enqueue({
      id: this.newJobId(),
      type: 'wait.resumed',
      path: this.path,
      wait: { name, timedOut: false, contacts },
    })
  }

  handlerUnknown(name: string): void {
    this.parts.count('handler.unknown')
    this.parts.log.warn('subscription refused: the function has no such handler', {
      callId: this.request.callId,
      handler: name,
    })
    this.telling.handlerFailed(name, 'handler.unknown')
  }

  /** A fork asks for relayed media, and there is nobody to relay it: without it the call would not be what was asked for. */
  mediaUnavailable(): void {
    const error = 'media.unavailable'
    this.note(`${error}: a fork asks for an rtpengine, and RTPENGINE_URL is not set`)
    this.parts.count('media.unavailable')
    this.parts.log.warn('fork refused: RTPENGINE_URL is not set', { callId: this.request.callId })
    this.telling.handlerFailed(this.path, error)
    this.#giveUp()
  }

  // What events bring

  deliver(delivery: Delivery): void {
    if (delivery.location) this.#hear(delivery.event, delivery.location)
    this.#suspension?.deliver(delivery)
  }

  /** The contacts count at once. Events are still asked for from where they were, until an invocation begins with this snapshot. */
  #hear(event: RouseEvent, location: Location): void {
    if (event.attributes.aor !== this.aor || !(Number(location.at) > Number(this.location.at))) return
    if (Math.abs(this.parts.clock.now() - event.time) >= FRESH_MS) return
    this.location = { ...location, at: this.location.at }
    this.#heard = { event: event.id, location }
  }

  /** What an event has said of the callee's location a moment ago, once. */
  takeHeard(event: RouseEvent | undefined): Location | undefined {
    const heard = this.#heard
    this.#heard = undefined
    const isMeant = heard !== undefined && heard.event === event?.id
    return isMeant && Math.abs(this.parts.clock.now() - event!.time) < FRESH_MS ? heard.location : undefined
  }

  /** A wait is over: what is to be asked once it is claimed. */
  resumption(wait: Wait, outcome: WaitOutcome, event: RouseEvent | undefined): Job {
    this.note(`${wait.name}: ${outcome.timedOut ? 'timed out' : (event?.type ?? 'decided')}`)
    const path = wait.resume === undefined ? this.path : handlerPath(wait.resume)
    const type = outcome.timedOut ? 'wait.timed_out' : 'wait.resumed'
    return { id: this.newJobId(), type, path, wait: outcome, event }
  }

  resume(resumption: Job): void {
    this.invocations.enqueue(resumption)
  }

  /** A subscription was met: its handler is invoked, or its reaction performed without any invocation. */
  fire(subscription: Subscription, event: RouseEvent): void {
    const { handler, actions } = subscription.action
    this.note(`${event.type}: ${handler ?? 'reaction'}`)
    if (handler !== undefined)
      this.invocations.enqueue({
        id: this.newJobId(),
        type: 'subscription.matched',
        path: handlerPath(handler),
        event,
      })
    if (actions) void this.#react(actions, event)
    this.changed()
  }

  /** Does not wait for an invocation that is under way. */
  async #react(reaction: NonNullable<Subscription['action']['actions']>, event: RouseEvent): Promise<void> {
    const resolved = resolveFromEvent(reaction, event.attributes)
    if (!resolved.ok) {
      this.parts.log.warn('reaction refused', {
        callId: this.request.callId,
        event: event.type,
        detail: resolved.problem.detail,
      })
      return
    }
    const { callId } = this.request
    const actions = resolved.value.map(({ action }) => action)
    for (const watcher of this.parts.watchers) watcher.reacted({ callId, event, actions })
    this.context.hold()
    try {
      await perform(this, resolved.value, event)
    } catch (error) {
      this.troubled(error)
    }
    this.context.release()
  }

  // Trouble and the end

  /** The function would not do again what it has done: what it was asked is told, and somebody else has been asked. */
  diverged(job: Job, { detail, diff }: Problem): void {
    this.telling.noteDiff(`${job.path}: replay.diverged: ${detail}`, diff)
    this.telling.handlerFailed(job.path, 'replay.diverged')
  }

  /** Nobody could say what to do. A call that still rings somewhere goes on; else the caller hears 503. */
  invocationFailed(job: Job, error: string): void {
    this.note(`${job.path} has failed: ${error}`)
    // A divergence has been told already.
    if (error !== 'replay.diverged') this.telling.handlerFailed(job.path, error)
    if (job.type === 'sip.request' || job.type.startsWith('wait.')) this.#giveUp()
  }

  /** The store, or an action, has failed. */
  troubled(error: unknown): void {
    this.storeFailed(error)
    if (!this.interests?.waits.size) this.#giveUp()
  }

  /** Told; the call goes on. */
  storeFailed(error: unknown): void {
    this.parts.count('store failures')
    this.parts.log.error('the store or an action has failed', { callId: this.request.callId, error: String(error) })
  }

  #giveUp(): void {
    if (this.context.isOpen && !this.context.hasLiveBranch) this.context.respondLocally(503, undefined, RETRY_LATER)
  }

  /** After the final response: what could only have added branches is over. */
  #dropWhatWaits(): void {
    const isAnswered =
      this.context.finalStatus >= 200 && this.context.finalStatus < 300 && this.request.method === 'INVITE'
    this.#suspension?.dropAfterFinal((each) => !isAnswered || each.until === 'answered')
    this.#endHalt()
  }

  /** The process is to end, and the two go on to talk without it: if nobody follows that, this much is known. */
  leave(): void {
    if (this.dialogs.length > 0 && !this.isKept) this.telling.lostSight('the gateway has stopped')
    this.#talk.stop()
  }

  newJobId(): string {
    return this.parts.ids.next('invocation')
  }

  finishIfDone(): void {
    if (this.#isFinished || this.invocations.isBusy || this.context.finalStatus === 0 || this.dialogs.length > 0) return
    this.#isFinished = true
    this.#suspension?.dropAfterFinal(() => true)
    if (this.context.finalStatus < 300) this.context.retire()
    this.#onFinished(this, true)
  }

  note(what: string): void {
    this.telling.note(what)
  }
}

function placeOfTarget({ uri, binding }: Target): string {
  return `${uri} ${binding?.received.address}:${binding?.received.port}`
}

export function branchData(branch: Branch): BranchData {
  const { state, status } = branch
  const data: BranchData = {
    id: branch.id,
    uri: withoutPush(branch.target.uri),
    state: state === 'cancelling' ? 'cancelled' : state,
    status,
  }
  if (branch.fork.policy.id !== undefined) data.fork = branch.fork.policy.id
  return data
}
