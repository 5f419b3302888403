import type {
  Branch,
  Invocation,
  InvocationData,
  InvocationType,
  WaitOutcome,
} from '../../functions/contract/envelope.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Problem } from '../../functions/contract/problem.ts'
import { contactData } from '../../functions/store/contact-data.ts'
import type { InvocationSeen } from '../observe/watcher.ts'
import { branchData, type Call } from './call.ts'
import { Cancellation } from './cancellation.ts'
import { type InvocationNote, MOST_TOLD } from './cdr.ts'
import { credentialsOf } from './credentials.ts'
import type { InvocationResult } from './invoker.ts'
import { isoTime } from './iso-time.ts'
import { perform } from './perform.ts'
import { eventData, receivedData, requestData } from './request-data.ts'
import { serveWithoutFunction } from './without-function.ts'

/** One invocation that is due. */
export interface Job {
  /** Names the invocation, also when it is asked for once more: the idempotency key. */
  id: string
  type: InvocationType
  /** Routing key: of the request's route, or of a named handler. */
  path: string
  event?: RouseEvent | undefined
  wait?: WaitOutcome
  branch?: Branch
}

/** Characters of a path in the record of the call. */
const LONGEST_PATH = 256

const IDLE = Promise.resolve()

/** The invocations of one call: one at a time, in order. While one is due, the response context stays open. */
export class Invocations {
  readonly #call: Call
  readonly #due: Job[] = []
  #isBusy = false
  /** Settled once nothing is due. */
  idle: Promise<void> = IDLE
  /** The job whose answer is not known yet. */
  #asked: Job | undefined
  #cancellation: Cancellation | undefined
  #seq = 0
  #beganOpen = false
  #request: InvocationData['request'] | undefined
  /** The first ones, for the record of the call. */
  readonly notes: InvocationNote[] = []

  constructor(call: Call) {
    this.#call = call
  }

  get isBusy(): boolean {
    return this.#isBusy
  }

  /** What is performed was decided before the final response: it can no longer wait for anything. */
  get isStale(): boolean {
    return this.#isBusy && this.#beganOpen && !this.#call.context.isOpen
  }

  /** The function thinks: after a restart it is asked again. */
  get isAsking(): boolean {
    return this.#asked !== undefined
  }

  /** How many there have been. */
  get count(): number {
    return this.#seq
  }

  /** How many were answered. */
  get answered(): number {
    return this.#asked ? this.#seq - 1 : this.#seq
  }

  /** What was asked and is to be asked: after a restart it is asked again. */
  get pending(): Job[] {
    return this.#asked ? [this.#asked, ...this.#due] : [...this.#due]
  }

  /** What was due before a restart; `goOn` begins with it. */
  takeUp(answered: number, jobs: readonly Job[]): void {
    this.#seq = answered
    this.#due.push(...jobs)
  }

  enqueue(job: Job): void {
    this.#due.push(job)
    this.goOn()
  }

  goOn(): void {
    if (this.#isBusy || this.#due.length === 0) return
    this.#isBusy = true
    this.#call.context.hold()
    this.idle = this.#work()
  }

  /** The caller has cancelled: what is under way is dropped, and what is due too. */
  cancel(): void {
    this.#cancellation?.cancel()
    this.#due.length = 0
  }

  async #work(): Promise<void> {
    for (let job = this.#due.shift(); job; job = this.#due.shift()) {
      try {
        await this.#run(job)
      } catch (error) {
        this.#call.troubled(error)
        this.#asked = undefined
        this.#call.changed()
      }
      // What waits may have to be stored once more, from the same snapshot.
      if (!this.#call.interests) this.#call.parts.store.settle?.(this.#call.location)
    }
    this.#isBusy = false
    // A call may wait for long: what the next invocation says of the request is read from it anew.
    this.#request = undefined
    this.#call.context.release()
    this.#call.finishIfDone()
  }

  async #run(job: Job): Promise<void> {
    const call = this.#call
    const { parts, context, request } = call
    this.#asked = job
    this.#seq++
    try {
      call.located(call.takeHeard(job.event) ?? (await parts.store.lookup(call.aor)))
    } catch (error) {
      call.storeFailed(error)
    }
    if (context.cancelled && job.type !== 'transaction.cancelled') {
      this.#seq--
      this.#asked = undefined
      return
    }
    this.#beganOpen = context.isOpen
    const signal = new Cancellation()
    this.#cancellation = signal
    const note = this.#note(job)
    const begunAt = parts.clock.now()
    const failures: string[] = []
    const make = (attempt: number, deadline: number) => {
      note.attempts++
      return this.#invocation(job, attempt, deadline)
    }
    let divergence: Problem | undefined
    const result = await parts.invoker.invoke(job.path, make, {
      method: request.method,
      signal,
      budgetMs: parts.manifest.budgetMs(job.path),
      onTryFailed: (problem) => {
        failures.push(problem.code)
        if (problem.code === 'replay.diverged') divergence ??= problem
      },
    })
    this.#cancellation = undefined
    this.#asked = undefined
    const ms = parts.clock.now() - begunAt
    Object.assign(note, { result: result.kind === 'failed' ? result.problem.code : result.kind, ms })
    const { rev } = call
    parts.log.info('function', { callId: request.callId, path: job.path, type: job.type, result: result.kind })
    for (const watcher of parts.watchers)
      watcher.invoked(seen(job, result, { callId: request.callId, tries: note.attempts, failures, ms }))
    if (divergence) call.diverged(job, divergence)
    if (result.kind === 'answer') {
      if (result.answer.context !== undefined) call.functionContext = result.answer.context
      await perform(call, result.answer.actions, job.event)
    } else if (result.kind === 'none' && job.type === 'sip.request') await serveWithoutFunction(call)
    else if (result.kind === 'failed') call.invocationFailed(job, result.problem.code)
    if (this.#due.length === 0) call.trying()
    // What the answer has armed was written, and with it that there is an answer.
    if (call.rev !== rev) return
    // Until it is written what the phones say to it, the record leads to the same question, and so to the same branches.
    if (result.kind === 'answer' && result.answer.actions.some(({ action }) => action === 'fork'))
      call.changedRepeatably()
    else call.changed()
  }

  #note({ path, type }: Job): InvocationNote {
    const note = { path: path.slice(0, LONGEST_PATH), type, result: 'under way', ms: 0, attempts: 0 }
    if (this.notes.length < MOST_TOLD) this.notes.push(note)
    return note
  }

  /** The CloudEvent of one try (CloudEvents 1.0, structured mode). */
  #invocation(job: Job, attempt: number, deadline: number): Invocation {
    const { parts, request } = this.#call
    const now = parts.clock.now()
    return {
      specversion: '1.0',
      id: job.id,
      source: sourceOf(parts.gatewayId),
      type: job.type,
      subject: request.callId,
      time: isoTime(now),
      datacontenttype: 'application/json',
      data: this.#data(job, attempt, deadline, now),
    }
  }

  #data(job: Job, attempt: number, deadline: number, now: number): InvocationData {
    const call = this.#call
    const { context, request } = call
    this.#request ??= requestData(request, call.uri, call.aor, call.isLocal)
    const data: InvocationData = {
      contract: 1,
      path: job.path,
      attempt,
      deadline: isoTime(deadline),
      transaction: {
        id: call.id,
        rev: call.rev,
        seq: this.#seq,
        state: call.transactionState,
        branches: context.branches.map(branchData),
      },
      call: {
        id: request.callId,
        callId: request.callId,
        fromTag: request.fromTag,
        toTag: call.dialogs[0]?.callee.tag ?? '',
      },
      request: this.#request,
      received: receivedData(call.flow, context.received !== null),
      contacts: call.location.bindings.map((binding) => contactData(binding, now)),
    }
    const auth = credentialsOf(request, call.parts.nonces)
    if (auth) data.auth = auth
    if (job.event) data.event = eventData(job.event)
    if (job.wait) data.wait = job.wait
    if (job.branch) data.branch = job.branch
    if (call.functionContext !== undefined) data.context = call.functionContext
    return data
  }
}

type Course = Pick<InvocationSeen, 'callId' | 'tries' | 'failures' | 'ms'>

function seen({ id, path, type, event, wait }: Job, result: InvocationResult, course: Course): InvocationSeen {
  return {
    ...{ id, path, type, event: event?.type ?? wait?.event?.type, result: result.kind, ...course },
    ...(result.kind === 'answer' && { by: result.from, actions: result.answer.actions.map(({ action }) => action) }),
    ...(result.kind === 'failed' && { problem: result.problem.code }),
  }
}

let source = { gatewayId: '', path: '/gateways/' }

/** Mostly there is one gateway in a process. */
function sourceOf(gatewayId: string): string {
  if (source.gatewayId !== gatewayId) source = { gatewayId, path: `/gateways/${encodeURIComponent(gatewayId)}` }
  return source.path
}
