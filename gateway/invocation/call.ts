import { createHash } from 'node:crypto'
import type { ActionOf } from '../../functions/contract/actions.ts'
import { pause } from '../../functions/contract/clock.ts'
import type { Branch as BranchData, InvocationData, WaitOutcome } from '../../functions/contract/envelope.ts'
import type { Attributes, RouseEvent } from '../../functions/contract/events.ts'
import { handlerPath } from '../../functions/contract/path.ts'
import type { Problem } from '../../functions/contract/problem.ts'
import { resolveFromEvent } from '../../functions/contract/reaction.ts'
import { contactData } from '../../functions/store/contact-data.ts'
import type { Binding, Delivery, Location } from '../../functions/store/store.ts'
import { everyBinding } from '../../functions/store/whereabouts.ts'
import { contactUri, type Dialog, type DialogEnd, type DialogOwner } from '../dialog/dialog.ts'
import { ackOrphan, endOrphan, flowTo, hangUp, reasonValue } from '../dialog/hangup.ts'
import { redactedText } from '../observe/redact.ts'
import type { Branch } from '../proxy/branch.ts'
import { COMPLETED_ELSEWHERE, ProxyContext, type ProxyOwner } from '../proxy/context.ts'
import type { Fork, ForkPolicy } from '../proxy/fork.ts'
import { ProxyCore } from '../proxy/proxy.ts'
import type { RouteDecision } from '../proxy/route.ts'
import { GRACE_MS, takeUpContext } from '../proxy/state.ts'
import { bindingTarget, type Target } from '../proxy/target.ts'
import { isReachedByFlow } from '../registrar/nat.ts'
import { reasonPhrase } from '../sip/build.ts'
import type { SipMessage } from '../sip/message.ts'
import { ownText } from '../sip/own-text.ts'
import { withoutPush } from '../sip/push-params.ts'
import { parseUri } from '../sip/uri.ts'
import type { TimerHandle } from '../transaction/timer-queue.ts'
import type { ServerTransaction } from '../transaction/types.ts'
import type { Flow } from '../transport/types.ts'
import { cdrOf, wholeSeconds } from './cdr.ts'
import { CallCharge } from './charge.ts'
import { hangUpThere } from './hang-up-there.ts'
import type { Subscription, Wait } from './interests.ts'
import { Invocations, type Job } from './invocations.ts'
import type { CallParts } from './parts.ts'
import { perform, performStored } from './perform.ts'
import type { CallRecord, WorkRecord } from './record.ts'
import { latin1 } from './request-data.ts'
import { Suspension } from './suspension.ts'
import { type Over, pushedCall, type WakeRecord, Wakes } from './wakes.ts'

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

/** What happened to a call, for people who look. */
export interface TimelineEntry {
  /** Milliseconds since the epoch. */
  at: number
  what: string
  /** Of a divergence, see `Problem`. */
  diff?: readonly string[]
}

/** A process that lived for so long after it had begun to perform an answer has sent what there was to send at once. Milliseconds. */
const CERTAIN_MS = 2500
/** A location that an event brings spares a look-up, unless the event is older than this. Milliseconds. */
const FRESH_MS = 2000
/** After a restart: how often it is looked up where a callee is, and the pause in between in milliseconds. */
const LOOK_UPS = 10
const LOOK_UP_PAUSE_MS = 500
const NOWHERE: Location = { bindings: [], at: '' }
export const RETRY_LATER: { headers: [string, string][] } = { headers: [['Retry-After', '10']] }

/**
 * One initial request and what became of it: its response context, the invocations that decide about it, what it waits for, and the
 * dialogs it leads to.
 */
export class Call implements ProxyOwner, DialogOwner {
  readonly id: string
  /** Whose call it is: this gateway's, or that of one whose calls it has adopted. */
  readonly gateway: string
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
  readonly dialogs: Dialog[] = []
  /** What handlers noted about the call; undefined while they have not. */
  annotations: Map<string, string> | undefined
  readonly timeline: TimelineEntry[] = []
  /** The location of the callee as it was before the last invocation. */
  location: Location = NOWHERE
  /** That was read: when it is empty, nobody is registered. */
  isLocated = false
  /** The function's own, echoed back in every invocation. */
  functionContext: unknown
  readonly invocations: Invocations
  readonly #onFinished: (call: Call) => void
  #suspension: Suspension | undefined
  #wakes: Wakes | undefined
  #haltTimer: TimerHandle | undefined
  /** Milliseconds since the epoch; undefined before. */
  ringingAt: number | undefined
  answeredAt: number | undefined
  #charge: CallCharge | undefined
  isTakenUp = false
  #isRecorded = false
  #isFinished = false
  #names: { callId: string; from: string; to: string } | undefined
  /** What the last `contact.registered` said. */
  #heard: { event: string; location: Location } | undefined
  /** To tags of phones that answered when the caller was gone: each gets one BYE. */
  #orphans: Set<string> | undefined

  /** @param before what the call was called, whose it was, and when it began, before a restart */
  constructor(
    parts: CallParts,
    server: ServerTransaction,
    facts: CallFacts,
    onFinished: (call: Call) => void,
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
    this.invocations.enqueue({ id: this.newJobId(), type: 'sip.request', path: this.path })
  }

  /**
   * Goes on where another process has left off: branches ring on, waits have what is left of their time, and what was asked of the function
   * and not answered, or answered and not performed, is done again.
   * @param lastSeen until when the other process was certainly alive
   */
  takeUp({ at, context, ...record }: CallRecord, rev: number, lastSeen: number): void {
    this.note('taken up after a restart')
    this.location = { bindings: [], at }
    this.functionContext = context
    if (record.wakes) this.wakes.takeUp(record.wakes)
    if (record.annotations) this.annotations = new Map(Object.entries(record.annotations))
    this.isTakenUp = true
    if (record.charge) this.charge.facts = record.charge
    if (record.hasRung) this.ringingAt = record.ringingAt ?? this.startedAt
    this.context.hold()
    this.suspension.takeUp(record, rev)
    if (record.haltUntil !== undefined) this.halt(Math.max(GRACE_MS, record.haltUntil - this.parts.clock.now()))
    takeUpContext(this.context, record.proxy, this.parts.hangup.transport)
    this.invocations.takeUp(record.answered, record.jobs)
    this.context.takingUp = this.#goOn(record.works, lastSeen)
  }

  /** What was being performed comes before what is to be asked. */
  async #goOn(works: readonly WorkRecord[], lastSeen: number): Promise<void> {
    try {
      await Promise.all(works.map((work) => this.#performAgain(work, lastSeen)))
    } catch (error) {
      // Who was pushed may still come.
      if (this.isHalted) this.storeFailed(error)
      else this.troubled(error)
    }
    this.invocations.goOn()
    this.context.release()
    await this.invocations.idle
    this.context.takingUp = undefined
  }

  #performAgain({ actions, event, missed, begunAt }: WorkRecord, lastSeen: number): Promise<void> {
    const wasSent = lastSeen - begunAt >= CERTAIN_MS
    const since = wasSent ? begunAt : this.parts.clock.now()
    if (!wasSent) this.changed()
    return performStored(this, { actions, next: 0, event, missed, begunAt: since, wasSent }, async () => {
      await this.#locateAtLast()
      return missed
    })
  }

  /** When thousands of calls are taken up at once, a look-up may take longer than it is waited for. */
  async #locateAtLast(): Promise<void> {
    this.isLocated = false
    for (let tries = 0; tries < LOOK_UPS && this.context.isOpen; tries++) {
      if (tries > 0) await pause(this.parts.clock, LOOK_UP_PAUSE_MS)
      await this.locate()
      if (this.isLocated) return
    }
  }

  /**
   * Without a function: the registered contacts of the callee ring (RFC 3261 16.5), and for what is no call those that sleep are woken (RFC
   * 8599 5.6.2), but not to be asked what they can do.
   */
  async startWithoutFunction(): Promise<void> {
    this.context.hold()
    await this.locate()
    this.parts.store.settle?.(this.location)
    this.routeByLocation()
    const { method } = this.request
    if (this.isLocal && method !== 'INVITE' && method !== 'OPTIONS')
      void this.parts.waker.wake(everyBinding(this.location), { context: this.context })
    this.context.release()
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
    else this.context.fork(this.location.bindings.map(bindingTarget), { mode: 'by-q' })
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
    if (this.#isFinished) return
    this.#isFinished = true
    this.note('in the hands of another gateway')
    this.context.abandon()
    this.invocations.cancel()
    this.#endHalt()
    this.#wakes?.stop()
    for (const wait of [...this.suspension.interests.waits.values()]) this.suspension.interests.dropWait(wait)
    this.#onFinished(this)
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
    this.#publishCall('call.ringing', response.status, response.reason)
  }

  onAnswered(branch: Branch, response: SipMessage): void {
    // A 2xx that is repeated after the BYE makes no dialog.
    if (this.request.method !== 'INVITE' || this.#isFinished) return
    const { dialogs, clock } = this.parts
    const flows = { caller: this.#callerFlow(), callee: flowTo(branch.transaction!.destination) }
    const { dialog, isNew } = dialogs.add(this.request, response, flows, this, clock.now())
    if (!isNew) {
      if (this.dialogs.includes(dialog) || dialog.callee.tag !== response.toTag) return
      dialog.follow(this)
    }
    this.dialogs.push(dialog)
    dialog.media = branch.media?.session?.taken()
    if (this.answeredAt !== undefined) return
    this.answeredAt = clock.now()
    this.#charge?.begin(this.answeredAt)
    this.note(`${branch.target.uri} has answered (${response.status})`)
    this.#publishCall('call.answered', response.status, response.reason)
  }

  onOrphan(branch: Branch, response: SipMessage): void {
    if (this.request.method !== 'INVITE' || !branch.transaction) return
    const orphan = { invite: this.request, answer: response, flow: flowTo(branch.transaction.destination) }
    if (this.#orphans?.has(response.toTag)) return void ackOrphan(orphan, this.parts.hangup)
    this.parts.count('orphaned answers')
    this.#orphans ??= new Set()
    this.#orphans.add(response.toTag)
    void endOrphan(orphan, this.parts.hangup)
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
    this.#publishCall('call.cancelled', 487, 'Request Terminated')
  }

  onFinal(status: number, from: SipMessage | undefined): void {
    const { log } = this.parts
    const isAnswer = status < 300
    if (!isAnswer) {
      this.note(`final response ${status}`)
      this.#failed(status, from)
    } else if (this.dialogs.length === 0) this.#untracked()
    log.info('request answered', { method: this.request.method, callId: this.request.callId, uri: this.uri, status })
    this.#dropWhatWaits()
    this.#wakes?.over(isAnswer ? 'answered_elsewhere' : 'ended')
    this.finishIfDone()
  }

  // What its dialogs tell

  onDigit(_dialog: Dialog, digit: string, durationMs: number): void {
    this.note(`digit ${digit}`)
    this.#publish('dtmf', { callId: this.request.callId, digit, duration: durationMs, source: 'info' })
  }

  onDialogEvent(_dialog: Dialog, type: 'call.held' | 'call.transferred', reason: string): void {
    this.#publishCall(type, 200, reason)
  }

  onDialogEnded(dialog: Dialog, status: number, reason: string, by: DialogEnd): void {
    const at = this.dialogs.indexOf(dialog)
    if (at < 0) return
    this.dialogs.splice(at, 1)
    if (this.dialogs.length === 0) this.#ended(status, reason, by)
  }

  /** Who may still be there is told: nobody talks on who is on no bill. */
  onDialogLost(dialog: Dialog): void {
    const reason = dialog.hasSessionTimer ? 'the session was not refreshed' : 'nobody ended it'
    if (dialog.hasSessionTimer) hangUp(dialog, reason, this.parts.hangup)
    if (this.parts.dialogs.remove(dialog)) dialog.ended(408, reason, 'router')
  }

  // What actions ask for

  /** Forks, and tells who is woken by it which call that is. */
  fork(targets: readonly Target[], policy: ForkPolicy): void {
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
    this.onTimer()
  }

  farewell(binding: Binding, { aor, device, at, until }: WakeRecord, reason: Over): void {
    const { request, context, location } = this
    const { routes, digest, received } = context
    const invite = { request, routes, digest, received }
    const cancelReason = this.#cancelReason(reason)
    const since = location.at
    const told = { call: pushedCall(this), reason, aor, device, pushedAt: at, until, since, cancelReason, invite }
    this.parts.farewells.say({ ...told, gateway: this.gateway }, binding).catch(this.parts.onBug)
  }

  #cancelReason(reason: Over): string {
    if (reason === 'answered_elsewhere') return COMPLETED_ELSEWHERE
    return reason === 'caller_gone' ? 'SIP;cause=487;text="Request Terminated"' : 'SIP;cause=408;text="No answer"'
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
    if (action.via === undefined) this.#hangUpHere(action)
    else if (this.dialogs.length > 0) hangUpThere(this, action, () => this.#hangUpHere(action)).catch(this.parts.onBug)
  }

  #hangUpHere(action: ActionOf<'hangup'>): void {
    for (const dialog of [...this.dialogs]) {
      hangUp(dialog, action.reason === undefined ? undefined : latin1(action.reason), this.parts.hangup)
      if (this.parts.dialogs.remove(dialog)) dialog.ended(200, action.reason ?? '', 'router')
    }
  }

  /** Keeps the transaction open for late branches; a later halt replaces the deadline. */
  halt(ms: number): void {
    if (!this.context.isOpen) return
    if (this.#haltTimer) this.parts.timers.stop(this.#haltTimer)
    else this.context.hold()
    this.#haltTimer = this.parts.timers.start(ms, this, 'halt')
  }

  onTimer(): void {
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
    this.#publish('handler.failed', { callId: this.request.callId, handler: name, error: 'handler.unknown' })
  }

  /** A fork asks for relayed media, and there is nobody to relay it: without it the call would not be what was asked for. */
  mediaUnavailable(): void {
    const error = 'media.unavailable'
    this.note(`${error}: a fork asks for an rtpengine, and RTPENGINE_URL is not set`)
    this.parts.count('media.unavailable')
    this.parts.log.warn('fork refused: RTPENGINE_URL is not set', { callId: this.request.callId })
    this.#publish('handler.failed', { callId: this.request.callId, handler: this.path, error })
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
    const what = redactedText(`${job.path}: replay.diverged: ${detail}`)
    this.timeline.push({ at: this.parts.clock.now(), what, ...(diff ? { diff: diff.map(redactedText) } : {}) })
    this.#publish('handler.failed', { callId: this.request.callId, handler: job.path, error: 'replay.diverged' })
  }

  /** Nobody could say what to do. A call that still rings somewhere goes on; else the caller hears 503. */
  invocationFailed(job: Job, error: string): void {
    this.note(`${job.path} has failed: ${error}`)
    // A divergence has been told already.
    if (error !== 'replay.diverged')
      this.#publish('handler.failed', { callId: this.request.callId, handler: job.path, error })
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

  #ended(status: number, reason: string, by: DialogEnd): void {
    const now = this.parts.clock.now()
    const durationSeconds = wholeSeconds(now - (this.answeredAt ?? now))
    this.note('ended')
    this.parts.log.info('call ended', { callId: this.request.callId, durationSeconds, reason })
    const attributes = this.#attributes(status, reason)
    const ended = this.#event('call.ended', { ...attributes, duration: durationSeconds })
    this.parts.publish([ended, ...this.#record(attributes, by)])
    this.finishIfDone()
  }

  #failed(status: number, from: SipMessage | undefined): void {
    if (this.request.method !== 'INVITE') return
    const attributes = this.#attributes(status, from?.reason ?? reasonPhrase(status))
    const { cancelled } = this.context
    const by = cancelled ? 'caller' : from ? 'callee' : 'router'
    const failed = cancelled ? [] : [this.#event('call.failed', attributes)]
    this.parts.publish([...failed, ...this.#record(attributes, by)])
  }

  /** The call was answered, and its dialog is one too many of its Call-ID to be followed. */
  #untracked(): void {
    if (this.request.method !== 'INVITE') return
    this.answeredAt = this.parts.clock.now()
    this.parts.publish(this.#record(this.#attributes(200, 'not followed from here'), 'router'))
  }

  /** The process is to end, and the two go on to talk without it: this much is known. */
  leave(): void {
    if (this.dialogs.length === 0) return
    this.parts.publish(this.#record(this.#attributes(200, 'the gateway has stopped'), 'router'))
  }

  /** `cdr.created`, once. */
  #record(attributes: Attributes, endedBy: DialogEnd): RouseEvent[] {
    if (this.#isRecorded) return []
    this.#isRecorded = true
    const endedAt = this.parts.clock.now()
    this.#charge?.end(endedAt)
    return [cdrOf(this, { attributes, endedBy, endedAt })]
  }

  newJobId(): string {
    return this.parts.ids.next('invocation')
  }

  finishIfDone(): void {
    if (this.#isFinished || this.invocations.isBusy || this.context.finalStatus === 0 || this.dialogs.length > 0) return
    this.#isFinished = true
    this.#suspension?.dropAfterFinal(() => true)
    if (this.context.finalStatus < 300) this.context.retire()
    this.#onFinished(this)
  }

  note(what: string): void {
    this.timeline.push({ at: this.parts.clock.now(), what: withoutPush(what) })
  }

  #publishCall(type: string, code: number, reason: string): void {
    if (this.request.method === 'INVITE') this.#publish(type, this.#attributes(code, reason))
  }

  /** Events outlive the call for a while, and must not keep its messages. */
  #attributes(code: number, reason: string): Attributes {
    this.#names ??= {
      callId: ownText(this.request.callId),
      from: ownText(withoutPush(this.request.from?.uri ?? '')),
      to: ownText(withoutPush(this.uri)),
    }
    const { callId, from, to } = this.#names
    const usual = reasonPhrase(code)
    return { callId, from, to, code, reason: reason === usual ? usual : ownText(reason) }
  }

  #publish(type: string, attributes: Attributes): void {
    this.parts.publish([this.#event(type, attributes)])
  }

  #event(type: string, attributes: Attributes): RouseEvent {
    const { clock, ids } = this.parts
    return { id: ids.next('event'), type, time: clock.now(), attributes }
  }

  /** The flow back to the caller, when its Contact cannot be reached as written and no proxy stands between. */
  #callerFlow(): Flow | undefined {
    const contact = parseUri(contactUri(this.request))
    const { via } = this.request
    const cameByProxy = this.request.values('Via').length > 1
    return contact && via && isReachedByFlow(contact, via, this.flow, cameByProxy) ? this.flow : undefined
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
