import type { Action, ActionOf } from '../../functions/contract/actions.ts'
import type {
  Branch as BranchData,
  Invocation,
  InvocationData,
  InvocationType,
  WaitOutcome,
} from '../../functions/contract/envelope.ts'
import type { Attributes, RouseEvent } from '../../functions/contract/events.ts'
import { handlerPath } from '../../functions/contract/path.ts'
import { resolveFromEvent } from '../../functions/contract/reaction.ts'
import type { Binding, Delivery, Location } from '../../functions/store/store.ts'
import type { Dialog, DialogOwner } from '../dialog/dialog.ts'
import { endOrphan, hangUp } from '../dialog/hangup.ts'
import type { Branch } from '../proxy/branch.ts'
import { ProxyContext, type ProxyOwner } from '../proxy/context.ts'
import type { Fork } from '../proxy/fork.ts'
import { ProxyCore } from '../proxy/proxy.ts'
import type { RouteDecision } from '../proxy/route.ts'
import { bindingTarget } from '../proxy/target.ts'
import { reasonPhrase } from '../sip/build.ts'
import type { SipMessage } from '../sip/message.ts'
import type { TimerHandle } from '../transaction/timer-queue.ts'
import type { ServerTransaction } from '../transaction/types.ts'
import type { Flow } from '../transport/types.ts'
import { credentialsOf } from './credentials.ts'
import { envelope } from './envelope.ts'
import { Interests, type Subscription, Wait } from './interests.ts'
import type { CallParts } from './parts.ts'
import { perform } from './perform.ts'
import { contactData, eventData, receivedData, requestData } from './request-data.ts'

/** One invocation that is due. */
interface Job {
  type: InvocationType
  path: string
  event?: RouseEvent | undefined
  wait?: WaitOutcome
  branch?: BranchData
}

/** What happened to a call, for people who look. */
export interface TimelineEntry {
  /** Milliseconds since the epoch. */
  at: number
  what: string
}

const NOWHERE: Location = { bindings: [], at: '' }

/**
 * One initial request on its way through functions: owns its response context, its invocations (one at a time, in order), what it waits
 * for, and the dialogs it leads to.
 */
export class Call implements ProxyOwner, DialogOwner {
  readonly id: string
  readonly parts: CallParts
  readonly request: SipMessage
  readonly context: ProxyContext
  /** Request-URI to go by, after the Route header fields were read. */
  readonly uri: string
  readonly aor: string
  readonly flow: Flow
  readonly startedAt: number
  readonly interests: Interests
  readonly dialogs: Dialog[] = []
  readonly annotations = new Map<string, string>()
  readonly timeline: TimelineEntry[] = []
  /** Devices that were sent a push for this call. */
  readonly pushed = new Set<string>()
  location: Location = NOWHERE
  /** Grows with every change of what is stored. */
  rev = 0
  #seq = 0
  /** The function's own, echoed back. */
  #state: unknown
  readonly #path: string
  readonly #onFinished: (call: Call) => void
  readonly #jobs: Job[] = []
  #running = false
  #abort: AbortController | undefined
  #requestData: InvocationData['request'] | undefined
  #isStored = false
  #isFinished = false
  #haltTimer: TimerHandle | undefined
  #answeredAt = 0
  #hasRung = false

  constructor(parts: CallParts, server: ServerTransaction, facts: CallFacts, onFinished: (call: Call) => void) {
    this.parts = parts
    this.id = parts.ids.next('transaction')
    this.request = server.request
    this.uri = facts.routes.uri
    this.aor = facts.aor
    this.flow = server.flow
    this.#path = facts.path
    this.#onFinished = onFinished
    this.startedAt = parts.clock.now()
    this.interests = new Interests(parts.timers)
    this.context = new ProxyContext(
      parts.proxy,
      server,
      this,
      facts.routes,
      facts.digest,
      ProxyCore.formsDialog(server.method),
      facts.received,
    )
    server.context = this.context
  }

  /** Asks the function that has a route for the request. */
  start(): void {
    this.#enqueue({ type: 'sip.request', path: this.#path })
  }

  /** Without a function: rings the registered contacts of the callee (RFC 3261 16.5). */
  startWithoutFunction(): void {
    this.#running = true
    this.context.hold()
    void this.parts.store.lookup(this.aor).then(
      (location) => {
        this.location = location
        this.routeByLocation()
        this.#rest()
      },
      (error: unknown) => {
        this.#storeFailed(error)
        this.#rest()
      },
    )
  }

  /** Forks to the contacts of the callee; 480 when there are none, 404 when it is nobody of ours. */
  routeByLocation(): void {
    if (!this.#isLocal()) this.context.respondLocally(404)
    else this.context.fork(this.location.bindings.map(bindingTarget), { mode: 'by-q' })
  }

  #isLocal(): boolean {
    return this.parts.identity.isLocalDomain(this.aor.slice(this.aor.lastIndexOf('@') + 1), undefined)
  }

  // What the response context tells

  onRinging(branch: Branch, response: SipMessage): void {
    if (this.#hasRung) return
    this.#hasRung = true
    this.note(`${branch.target.uri} rings (${response.status})`)
    this.#publishCall('call.ringing', response.status, response.reason)
  }

  onAnswered(branch: Branch, response: SipMessage): void {
    if (this.request.method !== 'INVITE') return
    const { parts } = this
    const destination = branch.transaction!.destination
    const flows = {
      caller: this.#callerFlow(),
      callee: destination.connection === undefined ? undefined : (destination as Flow),
    }
    const { dialog, isNew } = parts.dialogs.add(this.request, response, flows, this, parts.clock.now())
    if (!isNew) return
    this.dialogs.push(dialog)
    if (this.#answeredAt !== 0) return
    this.#answeredAt = parts.clock.now()
    this.note(`${branch.target.uri} has answered (${response.status})`)
    this.#publishCall('call.answered', response.status, response.reason)
  }

  onOrphan(branch: Branch, response: SipMessage): void {
    if (this.request.method !== 'INVITE' || !branch.transaction) return
    this.parts.count('orphaned answers')
    const destination = branch.transaction.destination
    endOrphan(
      this.request,
      response,
      destination.connection === undefined ? undefined : (destination as Flow),
      this.parts.hangup,
    )
  }

  onBranchFailed(branch: Branch): void {
    this.note(`${branch.target.uri} has failed (${branch.status})`)
    const { onFailed } = branch.fork.policy
    if (onFailed !== undefined)
      this.#enqueue({ type: 'branch.failed', path: handlerPath(onFailed), branch: branchData(branch) })
    if (this.#haltTimer && this.pushed.size > 0 && this.#everyPushedDeviceSaidNo()) this.#endHalt()
  }

  onForkEnded(fork: Fork, answered: boolean, status: number): void {
    const { id } = fork.policy
    if (id === undefined) return
    for (const wait of this.interests.waits.values()) {
      if (wait.forks.includes(id))
        this.#resolve(wait, { name: wait.name, timedOut: false, fork: { id, answered, status } })
    }
  }

  onCancelled(): void {
    this.note('the caller has cancelled')
    this.#abort?.abort()
    this.#jobs.length = 0
    if (this.parts.manifest.wantsCancelled) this.#enqueue({ type: 'transaction.cancelled', path: this.#path })
    this.#dropWhatWaits()
    this.#publishCall('call.cancelled', 487, 'Request Terminated')
  }

  onFinal(status: number, from: SipMessage | undefined): void {
    const { parts } = this
    const isInvite = this.request.method === 'INVITE'
    if (!(isInvite && status < 300)) {
      this.note(`final response ${status}`)
      if (isInvite && status >= 300 && !this.context.cancelled)
        this.#publishCall('call.failed', status, from?.reason ?? reasonPhrase(status))
    }
    parts.log.info('request answered', {
      method: this.request.method,
      callId: this.request.callId,
      uri: this.uri,
      status,
    })
    this.#dropWhatWaits()
    this.#finishIfDone()
  }

  // What its dialogs tell

  onDigit(_dialog: Dialog, digit: string, durationMs: number): void {
    this.note(`digit ${digit}`)
    this.#publish('dtmf', { callId: this.request.callId, digit, duration: durationMs, source: 'info' })
  }

  onDialogEvent(_dialog: Dialog, type: 'call.held' | 'call.transferred', reason: string): void {
    this.#publishCall(type, 200, reason)
  }

  onDialogEnded(dialog: Dialog, status: number, reason: string): void {
    this.dialogs.splice(this.dialogs.indexOf(dialog), 1)
    if (this.dialogs.length === 0) this.#callEnded(status, reason)
  }

  onDialogLost(dialog: Dialog): void {
    if (this.parts.dialogs.remove(dialog)) this.onDialogEnded(dialog, 408, 'nobody ended it')
  }

  // What actions ask for

  /** BYE to both ends of an answered call; a final response and CANCEL while it still rings. */
  hangUp(action: ActionOf<'hangup'>): void {
    this.note(`hung up${action.reason === undefined ? '' : `: ${action.reason}`}`)
    if (this.context.finalStatus === 0) {
      this.context.respondLocally(action.status ?? 480, action.reason)
      return
    }
    for (const dialog of [...this.dialogs]) {
      hangUp(dialog, action.reason, this.parts.hangup)
      if (this.parts.dialogs.remove(dialog)) this.onDialogEnded(dialog, 200, action.reason ?? '')
    }
  }

  get isHalted(): boolean {
    return this.#haltTimer !== undefined
  }

  halt(ms: number): void {
    if (!this.context.isOpen) return
    if (this.#haltTimer) this.parts.timers.stop(this.#haltTimer)
    else this.context.hold()
    this.#haltTimer = this.parts.timers.start(ms, this, 'halt')
  }

  onTimer(): void {
    this.note('the halt is over')
    this.#haltTimer = undefined
    this.context.release()
  }

  #endHalt(): void {
    if (!this.#haltTimer) return
    this.parts.timers.stop(this.#haltTimer)
    this.#haltTimer = undefined
    this.context.release()
  }

  /** A device that was pushed, came, and was told no by its user: nothing is left to wait for when that holds for all. */
  #everyPushedDeviceSaidNo(): boolean {
    for (const device of this.pushed) {
      if (!this.context.branches.some((branch) => branch.target.device === device && branch.wasRefused)) return false
    }
    return true
  }

  /** The contacts of an AOR: the callee's own as last read, others from the store. */
  async bindingsOf(aor: string): Promise<readonly Binding[]> {
    return aor === this.aor ? this.location.bindings : (await this.parts.store.lookup(aor)).bindings
  }

  /** Arms what an answer waits for and subscribes to, in one step of the store, before anything else of it is performed. */
  async arm(actions: readonly Action[]): Promise<Delivery[]> {
    const { parts, interests } = this
    const now = parts.clock.now()
    const context = { transaction: this.id, gateway: parts.gatewayId, now, newId: () => parts.ids.next('subscription') }
    const add = []
    const drop: string[] = []
    for (const action of actions) {
      if (action.action === 'subscribe') {
        if (action.handler !== undefined && parts.manifest.hasHandler(action.handler) === false) {
          this.handlerUnknown(action.handler)
          continue
        }
        if (action.name !== undefined)
          drop.push(...interests.dropSubscriptions((each) => each.action.name === action.name))
        add.push(interests.addSubscription(action, context))
      } else if (action.action === 'wait' && this.context.isOpen) {
        const armed = interests.waits.get(action.name)
        if (armed) drop.push(...this.#disarm(armed))
        const wait = new Wait(action.name, action.resume, `${this.id}/${action.name}/${this.#seq}`, (late) =>
          this.#resolve(late, { name: late.name, timedOut: true }),
        )
        this.context.hold()
        add.push(...interests.addWait(action, wait, context))
      }
    }
    this.#isStored = true
    return parts.store.suspend({ transaction: this.#suspended(now), add, drop, since: this.location.at })
  }

  /** What has to be known to take the call up again. */
  #suspended(now: number) {
    const { flow } = this
    const state = JSON.stringify({
      request: this.request.text,
      path: this.#path,
      flow: {
        transport: flow.transport,
        address: flow.remoteAddress,
        port: flow.remotePort,
        listener: `${flow.listener.transport}:${flow.listener.address}:${flow.listener.port}`,
      },
      branches: this.context.branches.map(branchData),
      waits: [...this.interests.waits.values()].map((wait) => ({
        name: wait.name,
        forks: wait.forks,
        subscriptions: wait.subscriptions,
      })),
      context: this.#state,
    })
    return {
      id: this.id,
      gateway: this.parts.gatewayId,
      rev: ++this.rev,
      callId: this.request.callId,
      expiresAt: now + 24 * 3_600_000,
      state,
    }
  }

  /** Whether a wait that is armed asks for the outcome of that fork. */
  awaitsFork(id: string): boolean {
    for (const wait of this.interests.waits.values()) if (wait.forks.includes(id)) return true
    return false
  }

  handlerUnknown(name: string): void {
    this.parts.count('handler.unknown')
    this.parts.log.warn('subscription refused: the function has no such handler', {
      callId: this.request.callId,
      handler: name,
    })
    this.#publish('handler.failed', { callId: this.request.callId, handler: name, error: 'handler.unknown' })
  }

  unsubscribe(name: string | undefined): void {
    const drop = this.interests.dropSubscriptions((each) => name === undefined || each.action.name === name)
    for (const wait of [...this.interests.waits.values()])
      if (name === undefined || wait.name === name) drop.push(...this.#disarmAndRelease(wait))
    this.#forget(drop)
  }

  /** Resumes at once with the contacts of an AOR. */
  lookup(action: ActionOf<'lookup'>): void {
    const { store, clock } = this.parts
    this.context.hold()
    void store
      .lookup(action.aor)
      .then(
        ({ bindings }) => bindings.map((binding) => contactData(binding, clock.now())),
        (error: unknown) => {
          this.#storeFailed(error)
          return []
        },
      )
      .then((contacts) => {
        this.#enqueue({
          type: 'wait.resumed',
          path: this.#path,
          wait: { name: action.name, timedOut: false, contacts },
        })
        this.context.release()
      })
  }

  // Events

  /** An event has met a subscription of this call. */
  deliver(delivery: Delivery): void {
    const wait = this.interests.waitOfSubscription(delivery.subscription)
    if (wait) {
      this.#resolve(wait, { name: wait.name, timedOut: false, event: eventData(delivery.event) }, delivery.event)
      return
    }
    const subscription = this.interests.subscriptions.get(delivery.subscription)
    if (subscription && this.interests.fires(subscription, delivery.event.id, this.parts.clock.now()))
      this.#fire(subscription, delivery.event)
  }

  #fire(subscription: Subscription, event: RouseEvent): void {
    const { handler, actions } = subscription.action
    this.note(`${event.type} has fired ${handler ?? 'a reaction'}`)
    if (handler !== undefined) this.#enqueue({ type: 'subscription.matched', path: handlerPath(handler), event })
    if (actions) this.#react(actions, event)
  }

  /** An inline reaction: no invocation, and no waiting for one that is under way. */
  #react(reaction: NonNullable<Subscription['action']['actions']>, event: RouseEvent): void {
    const resolved = resolveFromEvent(reaction, event.attributes)
    if (!resolved.ok) {
      this.parts.log.warn('reaction refused', {
        callId: this.request.callId,
        event: event.type,
        detail: resolved.problem.detail,
      })
      return
    }
    this.context.hold()
    const done = perform(this, resolved.value, event)
    if (done) void done.catch((error: unknown) => this.#storeFailed(error)).then(() => this.context.release())
    else this.context.release()
  }

  /** Event, deadline or outcome: the first to claim the wait resumes the call. */
  #resolve(wait: Wait, outcome: WaitOutcome, event?: RouseEvent): void {
    const drop = this.#disarm(wait, false)
    void this.#claimed(wait).then((won) => {
      if (won) {
        this.note(`resumed: ${wait.name} ${outcome.timedOut ? 'timed out' : (outcome.event?.type ?? 'is decided')}`)
        const path = wait.resume === undefined ? this.#path : handlerPath(wait.resume)
        this.#enqueue({ type: outcome.timedOut ? 'wait.timed_out' : 'wait.resumed', path, wait: outcome, event })
      }
      this.#forget(drop)
      this.context.release()
    })
  }

  async #claimed(wait: Wait): Promise<boolean> {
    if (wait.subscriptions.length === 0) return true
    try {
      return await this.parts.store.claim(wait.claimKey, 60_000)
    } catch (error) {
      // Without the store nobody else can have resumed it either: this gateway owns the call.
      this.#storeFailed(error)
      return true
    }
  }

  #disarm(wait: Wait, releases = true): string[] {
    const drop = this.interests.dropWait(wait)
    if (releases) this.context.release()
    return drop
  }

  #disarmAndRelease(wait: Wait): string[] {
    return this.#disarm(wait)
  }

  /** After the final response: what could only have added branches is over. */
  #dropWhatWaits(): void {
    const answered =
      this.context.finalStatus >= 200 && this.context.finalStatus < 300 && this.request.method === 'INVITE'
    const drop = this.interests.dropSubscriptions((each) => !answered || each.until === 'answered')
    for (const wait of [...this.interests.waits.values()]) drop.push(...this.#disarm(wait))
    this.#endHalt()
    this.#forget(drop)
  }

  #forget(drop: string[]): void {
    if (!this.#isStored || (drop.length === 0 && !this.interests.isEmpty)) return
    const { store } = this.parts
    if (this.interests.isEmpty && this.context.finalStatus !== 0) {
      this.#isStored = false
      store.release(this.id).catch((error: unknown) => this.#storeFailed(error))
    } else if (drop.length > 0) {
      const step = { transaction: this.#suspended(this.parts.clock.now()), add: [], drop, since: this.location.at }
      store.suspend(step).catch((error: unknown) => this.#storeFailed(error))
    }
  }

  // Invocations

  #enqueue(job: Job): void {
    this.#jobs.push(job)
    if (this.#running) return
    this.#running = true
    this.context.hold()
    void this.#drain()
  }

  async #drain(): Promise<void> {
    for (let job = this.#jobs.shift(); job; job = this.#jobs.shift()) {
      try {
        await this.#run(job)
      } catch (error) {
        this.#storeFailed(error)
      }
    }
    this.#rest()
  }

  #rest(): void {
    this.#running = false
    this.context.release()
    this.#finishIfDone()
  }

  async #run(job: Job): Promise<void> {
    const { parts } = this
    this.location = await parts.store.lookup(this.aor)
    if (this.context.cancelled && job.type !== 'transaction.cancelled') return
    this.#seq++
    const id = parts.ids.next('invocation')
    this.#abort = new AbortController()
    const result = await parts.invoker.invoke(
      job.path,
      (attempt, deadline) => this.#invocation(job, id, attempt, deadline),
      {
        method: this.request.method,
        signal: this.#abort.signal,
      },
    )
    this.#abort = undefined
    if (result.kind === 'answer') {
      if (result.answer.context !== undefined) this.#state = result.answer.context
      await perform(this, result.answer.actions, job.event)
    } else if (result.kind === 'none' && job.type === 'sip.request') this.routeByLocation()
    else if (result.kind === 'failed') this.#invocationFailed(job, result.problem.code)
  }

  #invocationFailed(job: Job, error: string): void {
    this.note(`${job.path} has failed: ${error}`)
    this.#publish('handler.failed', { callId: this.request.callId, handler: job.path, error })
    const decides = job.type === 'sip.request' || job.type.startsWith('wait.')
    if (decides && this.context.isOpen && !this.context.hasLiveBranch)
      this.context.respondLocally(503, undefined, { headers: [['Retry-After', '10']] })
  }

  #invocation(job: Job, id: string, attempt: number, deadline: number): Invocation {
    const { parts, context, request } = this
    const now = parts.clock.now()
    this.#requestData ??= requestData(request, this.uri, this.aor, this.#isLocal())
    const data: InvocationData = {
      contract: 1,
      attempt,
      deadline: new Date(deadline).toISOString(),
      transaction: {
        id: this.id,
        rev: this.rev,
        seq: this.#seq,
        state: this.#transactionState(),
        branches: context.branches.map(branchData),
      },
      call: {
        id: request.callId,
        callId: request.callId,
        fromTag: request.fromTag,
        toTag: this.dialogs[0]?.callee.tag ?? '',
      },
      request: this.#requestData,
      received: receivedData(this.flow, context.received !== null),
      contacts: this.location.bindings.map((binding) => contactData(binding, now)),
    }
    const auth = credentialsOf(request, parts.nonces)
    if (auth) data.auth = auth
    if (job.event) data.event = eventData(job.event)
    if (job.wait) data.wait = job.wait
    if (job.branch) data.branch = job.branch
    if (this.#state !== undefined) data.context = this.#state
    return envelope({ id, type: job.type, gatewayId: parts.gatewayId, callId: request.callId, now, data })
  }

  #transactionState(): InvocationData['transaction']['state'] {
    if (this.context.finalStatus === 0) return 'proceeding'
    return this.dialogs.length > 0 ? 'answered' : 'ended'
  }

  // The end

  #callEnded(status: number, reason: string): void {
    this.note('the call has ended')
    const duration = Math.round((this.parts.clock.now() - this.#answeredAt) / 1000)
    this.#publish('call.ended', { ...this.#callAttributes(status, reason), duration })
    this.parts.log.info('call ended', { callId: this.request.callId, durationSeconds: duration, reason })
    this.#forget(this.interests.dropSubscriptions(() => true))
    this.#finishIfDone()
  }

  #finishIfDone(): void {
    if (this.#isFinished || this.#running || this.context.finalStatus === 0 || this.dialogs.length > 0) return
    this.#isFinished = true
    this.#forget(this.interests.dropSubscriptions(() => true))
    this.#onFinished(this)
  }

  // Small things

  note(what: string): void {
    this.timeline.push({ at: this.parts.clock.now(), what })
  }

  #publishCall(type: string, code: number, reason: string): void {
    if (this.request.method === 'INVITE') this.#publish(type, this.#callAttributes(code, reason))
  }

  #callAttributes(code: number, reason: string): Attributes {
    return { callId: this.request.callId, from: this.request.from?.uri ?? '', to: this.uri, code, reason }
  }

  #publish(type: string, attributes: Attributes): void {
    const { clock, ids, publish } = this.parts
    publish([{ id: ids.next('event'), type, time: clock.now(), attributes }])
  }

  #storeFailed(error: unknown): void {
    this.parts.count('store failures')
    this.parts.log.error('the store or an action failed', { callId: this.request.callId, error: String(error) })
    if (this.context.isOpen && !this.context.hasLiveBranch && this.interests.waits.size === 0)
      this.context.respondLocally(503, undefined, { headers: [['Retry-After', '10']] })
  }

  /** The flow back to the caller, when its Contact cannot be reached as written. */
  #callerFlow(): Flow | undefined {
    return this.context.received !== null || this.flow.transport === 'tcp' ? this.flow : undefined
  }
}

/** What was found out about a request before it became a call. */
export interface CallFacts {
  routes: RouteDecision
  aor: string
  /** Routing key, see routePath. */
  path: string
  digest: string
  received: { address: string; port: number } | null
}

export function branchData(branch: Branch): BranchData {
  const { state, status } = branch
  const data: BranchData = {
    id: branch.id,
    uri: branch.target.uri,
    state: state === 'cancelling' ? 'cancelled' : state,
    status,
  }
  if (branch.fork.policy.id !== undefined) data.fork = branch.fork.policy.id
  return data
}
