import type { Action, ActionOf, Authorize } from '../contract/actions.ts'
import type { Timer } from '../contract/clock.ts'
import { durationMs } from '../contract/duration.ts'
import type { Branch as BranchData, InvocationData, InvocationType, WaitOutcome } from '../contract/envelope.ts'
import type { Attributes, EventDetail, RouseEvent } from '../contract/events.ts'
import { handlerPath } from '../contract/path.ts'
import { resolveFromEvent } from '../contract/reaction.ts'
import { reasonPhrase } from '../contract/reason-phrases.ts'
import { aorOf } from '../contract/uri/uri.ts'
import { contactData } from '../store/contact-data.ts'
import type { Binding, Location } from '../store/store.ts'
import { everyBinding } from '../store/whereabouts.ts'
import { type Branch, branchData, type Fork } from './branch.ts'
import { invocation } from './invocation.ts'
import { perform } from './perform.ts'
import type { SimulatedRequest } from './request.ts'
import { type ContextOwner, ResponseContext } from './response-context.ts'
import type { Simulation } from './simulation.ts'
import { eventData, type Subscription, type Suspendable, Suspension, type Wait } from './suspension.ts'
import { bindingTarget } from './targets.ts'

/** A push that was sent to a device. */
export interface SentPush {
  aor: string
  contact: string
  data?: Readonly<Record<string, string>>
}

/** A new request that a handler has sent. */
export type SentRequest = Omit<ActionOf<'send'>, 'action' | 'target'> & { uri: string }

interface Job {
  type: InvocationType
  path: string
  event?: RouseEvent | undefined
  wait?: WaitOutcome
  branch?: BranchData
}

/** One request and what became of it, by the rules of the gateway. */
export class RoutedCall implements ContextOwner, Suspendable {
  readonly id: string
  readonly callId: string
  readonly simulation: Simulation
  readonly request: SimulatedRequest
  readonly context: ResponseContext
  readonly suspension: Suspension
  readonly actions: Action[] = []
  readonly annotations: Record<string, string> = {}
  readonly pushes: SentPush[] = []
  readonly sent: SentRequest[] = []
  readonly #pushed = new Set<string>()
  readonly #due: Job[] = []
  #location: Location = { bindings: [], at: '' }
  #functionContext: unknown
  #seq = 0
  #isBusy = false
  #beganOpen = false
  #halt: { timer: Timer; until: number } | undefined
  #hasDialog = false
  readonly #startedAt: number
  /** So long it may be talked, by the billing system's word. */
  #maxSeconds: number | undefined
  #balance: Timer | undefined
  #ringingAt = 0
  #answeredAt = 0
  #isFinished = false

  constructor(simulation: Simulation, request: SimulatedRequest) {
    this.simulation = simulation
    this.request = request
    this.id = simulation.ids.next('transaction')
    this.#startedAt = simulation.clock.now()
    this.callId = request.callId
    this.context = new ResponseContext(request.request.method, this, simulation)
    this.suspension = new Suspension(this, simulation)
  }

  /** Asks the function when it has a route; else the router serves the request itself. */
  start(hasRoute: boolean): void {
    if (hasRoute) this.#enqueue({ type: 'sip.request', path: this.request.path })
    else this.simulation.track(this.#serve())
  }

  async #serve(): Promise<void> {
    this.context.hold()
    this.#location = await this.simulation.store.lookup(this.request.request.aor)
    await this.#serveWithoutFunction()
    this.context.release()
  }

  /** By a registrar, or to the registered contacts of the callee. */
  async #serveWithoutFunction(): Promise<void> {
    if (this.request.request.method === 'REGISTER') await this.save({ action: 'save' })
    else this.#routeByLocation()
  }

  #routeByLocation(): void {
    const policy = { ringForMs: undefined, noReplyForMs: undefined, headers: undefined, retryOn: undefined }
    if (!this.request.request.isLocal) this.context.respond(404)
    else {
      this.context.fork(this.bindings.map(bindingTarget), {
        ...policy,
        mode: 'by-q',
        finalOn: undefined,
        isAwaited: false,
        id: undefined,
        onFailed: undefined,
      })
    }
  }

  get bindings(): readonly Binding[] {
    return this.#location.bindings
  }

  get snapshot(): string {
    return this.#location.at
  }

  get hasDialog(): boolean {
    return this.#hasDialog
  }

  get haltUntil(): number | undefined {
    return this.#halt?.until
  }

  /** What is performed was decided before the final response: it can no longer wait for anything. */
  get canWait(): boolean {
    const isStale = this.#isBusy && this.#beganOpen && !this.context.isOpen
    return this.context.isOpen || (this.#hasDialog && !isStale)
  }

  get #state(): InvocationData['transaction']['state'] {
    if (this.context.finalStatus === 0) return 'proceeding'
    return this.#hasDialog ? 'answered' : 'ended'
  }

  hold(): void {
    this.context.hold()
  }

  release(): void {
    this.context.release()
  }

  // Its invocations: one at a time, in order

  #enqueue(job: Job): void {
    this.#due.push(job)
    if (this.#isBusy) return
    this.#isBusy = true
    this.context.hold()
    this.simulation.track(this.#work())
  }

  async #work(): Promise<void> {
    for (let job = this.#due.shift(); job; job = this.#due.shift()) await this.#run(job)
    this.#isBusy = false
    this.context.release()
    this.#finishIfDone()
  }

  async #run(job: Job): Promise<void> {
    const { simulation, context, request } = this
    this.#location = await simulation.store.lookup(request.request.aor)
    if (context.isCancelled && job.type !== 'transaction.cancelled') return
    this.#beganOpen = context.isOpen
    this.#seq++
    try {
      const answer = await simulation.functions.invoke(job.path, this.#invocation(job))
      if (context.isCancelled && job.type !== 'transaction.cancelled') return
      if (answer === 'not mine') {
        if (job.type === 'sip.request') await this.#serveWithoutFunction()
        return
      }
      if (answer.context !== undefined) this.#functionContext = answer.context
      await perform(this, answer.actions, job.event)
    } catch (error) {
      simulation.failed(error)
      this.#invocationFailed(job, error)
    }
  }

  /** A call that still rings somewhere goes on; else the caller hears 503. */
  #invocationFailed({ type, path }: Job, error: unknown): void {
    this.#raise('handler.failed', { callId: this.callId, handler: path, error: String(error).slice(0, 1000) })
    const decides = type === 'sip.request' || type.startsWith('wait.')
    if (decides && this.context.isOpen && !this.context.hasLiveBranch)
      this.context.respond(503, undefined, { headers: [['Retry-After', '10']] })
  }

  #invocation({ type, path: _, event, wait, branch }: Job) {
    const { clock, ids } = this.simulation
    const { request, received, auth, callId } = this.request
    const now = clock.now()
    const made = invocation({
      type,
      id: ids.next('invocation'),
      request,
      transaction: {
        id: this.id,
        rev: this.suspension.rev,
        seq: this.#seq,
        state: this.#state,
        branches: this.context.branches.map(branchData),
      },
      data: {
        deadline: new Date(now + 2500).toISOString(),
        call: { id: callId, callId, fromTag: tagOf(request.from), toTag: this.#hasDialog ? 'b1' : '' },
        received,
        contacts: this.bindings.map((binding) => contactData(binding, now)),
        ...(auth ? { auth } : {}),
        ...(event ? { event: eventData(event) } : {}),
        ...(wait ? { wait } : {}),
        ...(branch ? { branch } : {}),
        ...(this.#functionContext === undefined ? {} : { context: this.#functionContext }),
      },
    })
    return { ...made, time: new Date(now).toISOString(), subject: callId }
  }

  // What actions ask for

  halt(ms: number): void {
    if (!this.context.isOpen) return
    if (this.#halt) this.#halt.timer.cancel()
    else this.context.hold()
    const { clock } = this.simulation
    const timer = clock.after(ms, () => {
      this.#halt = undefined
      this.context.stopWaiting()
    })
    this.#halt = { timer, until: clock.now() + ms }
  }

  #endHalt(): void {
    if (!this.#halt) return
    this.#halt.timer.cancel()
    this.#halt = undefined
    this.context.release()
  }

  async lookup(name: string, aor: string): Promise<void> {
    const { bindings } = await this.simulation.store.lookup(aor)
    const now = this.simulation.clock.now()
    const contacts = bindings.map((binding) => contactData(binding, now))
    this.#enqueue({ type: 'wait.resumed', path: this.request.path, wait: { name, timedOut: false, contacts } })
  }

  authorize({ action: _, name, ...asked }: Authorize): void {
    const authorization = this.simulation.billing(asked)
    if (authorization.authorized) this.#maxSeconds = authorization.maxDuration
    this.#enqueue({ type: 'wait.resumed', path: this.request.path, wait: { name, timedOut: false, authorization } })
  }

  /** Devices that can be pushed and do not ring already, each once for a call. */
  async push({ aor, data, progress = 182 }: ActionOf<'push'>): Promise<void> {
    if (!this.context.isOpen) return
    const own = aorOf(aor) === this.request.request.aor
    const location = own ? this.#location : await this.simulation.store.lookup(aorOf(aor))
    for (const binding of everyBinding(location)) {
      const { device, contact } = binding
      const rings = this.context.branches.some((each) => each.target.device === device && each.state === 'ringing')
      if (!binding.push || this.#pushed.has(device) || rings) continue
      this.#pushed.add(device)
      this.pushes.push({ aor: binding.aor, contact, ...(data ? { data } : {}) })
      const purpose = this.request.request.method === 'INVITE' ? 'call' : 'request'
      const attributes = { aor: binding.aor, contact, provider: binding.push.provider, purpose, error: '' }
      this.#raise('push.accepted', attributes)
      const hears = this.context.responses.length > 0
      if (purpose === 'call' && progress !== false && !hears) this.context.respond(progress)
    }
  }

  hangUp({ reason, status }: ActionOf<'hangup'>): void {
    if (this.context.finalStatus === 0) this.context.respond(status ?? 480, reason)
    else this.ends(reason ?? '')
  }

  async save(action: ActionOf<'save'>): Promise<void> {
    const { request, expires } = this.request
    if (request.method !== 'REGISTER' || !this.context.isOpen) return
    const minSeconds = action.minExpires === undefined ? 60 : Math.round(durationMs(action.minExpires)! / 1000)
    const maxSeconds = action.maxExpires === undefined ? 3600 : Math.round(durationMs(action.maxExpires)! / 1000)
    if (!request.isLocal && action.aor === undefined) return this.context.respond(404)
    if (expires > 0 && expires < Math.min(minSeconds, 3600)) {
      return this.context.respond(423, 'Interval Too Brief', { headers: [['Min-Expires', String(minSeconds)]] })
    }
    const phone = { uri: request.contact, expires: Math.min(expires, maxSeconds) }
    const outcome = await this.simulation.registration(action.aor ?? request.aor, phone, action.maxContacts)
    if (!outcome.ok) return this.context.respond(403, 'Too Many Contacts')
    const now = this.simulation.clock.now()
    const headers = outcome.bindings.map((binding): [string, string] => {
      const left = Math.floor((binding.expiresAt - now) / 1000)
      return ['Contact', `<${binding.contact}>${binding.q === 1 ? '' : `;q=${binding.q}`};expires=${left}`]
    })
    this.context.respond(200, 'OK', { headers })
    this.simulation.publish(outcome.events)
  }

  // What events bring

  resume({ action }: Wait, outcome: WaitOutcome, event: RouseEvent | undefined): void {
    const path = action.resume === undefined ? this.request.path : handlerPath(action.resume)
    this.#enqueue({ type: outcome.timedOut ? 'wait.timed_out' : 'wait.resumed', path, wait: outcome, event })
  }

  fire({ action: { handler, actions } }: Subscription, event: RouseEvent): void {
    if (handler !== undefined) this.#enqueue({ type: 'subscription.matched', path: handlerPath(handler), event })
    if (actions) this.simulation.track(this.#react(actions, event))
  }

  /** Does not wait for an invocation that is under way. */
  async #react(reaction: readonly Record<string, unknown>[], event: RouseEvent): Promise<void> {
    const resolved = resolveFromEvent(reaction, event.attributes)
    if (!resolved.ok) {
      this.simulation.failed(new Error(`the reaction to ${event.type} is refused: ${resolved.problem.detail}`))
      return
    }
    this.context.hold()
    await perform(this, resolved.value, event)
    this.context.release()
  }

  // What the response context tells

  onRinging(status: number): void {
    if (this.#ringingAt !== 0) return
    this.#ringingAt = this.simulation.clock.now()
    this.#raiseCall('call.ringing', status)
  }

  onAnswered(): void {
    if (this.request.request.method !== 'INVITE') return
    this.#hasDialog = true
    this.#answeredAt = this.simulation.clock.now()
    this.#raiseCall('call.answered', 200)
    if (this.#maxSeconds !== undefined)
      this.#balance = this.simulation.clock.after(this.#maxSeconds * 1000, () => this.ends('the balance has ended'))
  }

  onBranchFailed(branch: Branch): void {
    const { onFailed } = branch.fork.policy
    if (onFailed !== undefined)
      this.#enqueue({ type: 'branch.failed', path: handlerPath(onFailed), branch: branchData(branch) })
    if (this.#halt && this.#pushed.size > 0 && this.#everyPushedDeviceSaidNo()) this.#endHalt()
  }

  #everyPushedDeviceSaidNo(): boolean {
    return [...this.#pushed].every((device) =>
      this.context.branches.some((branch) => branch.target.device === device && branch.wasRefused),
    )
  }

  onForkEnded(fork: Fork, isAnswered: boolean, status: number): void {
    if (fork.policy.id !== undefined) this.suspension.forkEnded(fork.policy.id, isAnswered, status)
  }

  onCancelled(): void {
    this.#due.length = 0
    if (this.simulation.wantsCancelled) this.#enqueue({ type: 'transaction.cancelled', path: this.request.path })
    this.#dropWhatWaits()
    this.#raiseCall('call.cancelled', 487)
  }

  onFinal(status: number, reason: string): void {
    if (status >= 300) {
      if (!this.context.isCancelled) this.#raiseCall('call.failed', status, reason)
      this.#raiseRecord(status, reason)
    }
    this.#dropWhatWaits()
    this.#finishIfDone()
  }

  /** After the final response: what could only have added branches is over. */
  #dropWhatWaits(): void {
    const { finalStatus } = this.context
    const isAnswered = finalStatus >= 200 && finalStatus < 300 && this.request.request.method === 'INVITE'
    this.suspension.dropAfterFinal(({ until }) => !isAnswered || until === 'answered')
    this.#endHalt()
  }

  /** The call that was answered is over. */
  ends(reason: string): void {
    if (!this.#hasDialog) return
    this.#hasDialog = false
    this.#balance?.cancel()
    const duration = Math.round((this.simulation.clock.now() - this.#answeredAt) / 1000)
    this.#raiseCall('call.ended', 200, reason, { duration })
    this.#raiseRecord(200, reason, duration)
    this.#finishIfDone()
  }

  #finishIfDone(): void {
    if (this.#isFinished || this.#isBusy || this.context.finalStatus === 0 || this.#hasDialog) return
    this.#isFinished = true
    this.suspension.dropAfterFinal(() => true)
  }

  /** As far as a simulation has something to tell: who ended it, and when each branch rang, is not known here. */
  #raiseRecord(code: number, reason: string, duration = 0): void {
    const now = this.simulation.clock.now()
    const time = (ms: number) => new Date(ms).toISOString()
    const wasAnswered = this.#answeredAt !== 0
    const result = wasAnswered ? 'answered' : this.context.isCancelled ? 'cancelled' : 'failed'
    const record: Attributes = { result, duration, setup: (this.#answeredAt || now) - this.#startedAt }
    record.startedAt = time(this.#startedAt)
    if (this.#ringingAt !== 0) record.ringingAt = time(this.#ringingAt)
    if (wasAnswered) record.answeredAt = time(this.#answeredAt)
    record.endedAt = time(now)
    const branches = this.context.branches.map((branch) => {
      const { uri, state, status } = branchData(branch)
      return { uri, state, code: status, startedAt: time(branch.startedAt) }
    })
    this.#raiseCall('cdr.created', code, reason, record, { branches, annotations: { ...this.annotations } })
  }

  #raiseCall(
    type: string,
    code: number,
    reason = reasonPhrase(code),
    more: Attributes = {},
    detail?: EventDetail,
  ): void {
    const { method, from, uri } = this.request.request
    if (method !== 'INVITE') return
    const caller = /<([^>]*)>/.exec(from)?.[1] ?? from
    this.#raise(type, { callId: this.callId, from: caller, to: uri, code, reason, ...more }, detail)
  }

  #raise(type: string, attributes: Attributes, detail?: EventDetail): void {
    this.simulation.raise(type, attributes, detail)
  }
}

function tagOf(value: string): string {
  return /;tag=([^;]*)/.exec(value)?.[1] ?? ''
}
