import assert from 'node:assert/strict'
import type { Action, Answer } from '../../functions/contract/actions.ts'
import type { Invocation, WaitOutcome } from '../../functions/contract/envelope.ts'
import { validateAnswer } from '../../functions/contract/validate.ts'
import type { DispatchResult, SipRouter } from '../../functions/sdk/index.ts'
import { type InvocationParts, invocation } from './invocations.ts'

/** One way to invoke a router's functions. */
export type Invoke = (path: string, invocation: Invocation) => Promise<DispatchResult>
export type Way = (sip: SipRouter) => Invoke

/** In process. What is handed over must not be changed, and what comes back must survive JSON. */
export const byDispatch: Way = (sip) => async (path, invoked) => {
  const result = await sip.dispatch(path, deepFrozen(invoked))
  assert.deepEqual(JSON.parse(JSON.stringify(result)), result)
  return result
}

/** Over HTTP, by a gateway on this machine that signs nothing. */
export const byFetch: Way = (sip) => async (path, invoked) => {
  const headers = { 'content-type': 'application/cloudevents+json' }
  const request = new Request(`http://localhost${path}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(invoked),
  })
  const response = await sip.fetch(request, { FUNCTIONS_UNSIGNED: 'loopback' })
  const text = await response.text()
  return text === '' ? { status: response.status } : { status: response.status, body: JSON.parse(text) }
}

const PATH = '/invite/example.com/bob'

/** What a gateway keeps of one call between its invocations: the context, and their number. */
export class Session {
  readonly invoke: Invoke
  context: unknown
  #seq = 0

  constructor(invoke: Invoke) {
    this.invoke = invoke
  }

  /** @returns the actions of the answer, which has been validated */
  async start(parts: InvocationParts = {}, path = PATH): Promise<Action[]> {
    return this.#answered(await this.result(parts, path))
  }

  /** The wait of that name ends. */
  async resume(name: string, outcome: Partial<WaitOutcome>, parts: InvocationParts = {}): Promise<Action[]> {
    return this.#answered(await this.resumeResult(name, outcome, parts))
  }

  resumeResult(name: string, outcome: Partial<WaitOutcome>, parts: InvocationParts = {}): Promise<DispatchResult> {
    const wait = { name, timedOut: false, ...outcome }
    const type = wait.timedOut ? 'wait.timed_out' : 'wait.resumed'
    return this.result({ ...parts, type, data: { ...parts.data, wait } }, PATH)
  }

  /** An event fires a named handler. */
  async fire(handler: string, type: string, attributes: Record<string, string>): Promise<Action[]> {
    const event = { id: 'event-1', type, time: '2026-01-05T10:00:05.000Z', attributes }
    return this.#answered(await this.result({ type: 'subscription.matched', data: { event } }, `/on/${handler}`))
  }

  result(parts: InvocationParts, path: string): Promise<DispatchResult> {
    const context = this.context === undefined ? {} : { context: this.context }
    const transaction = { seq: this.#seq++, ...parts.transaction }
    return this.invoke(path, invocation({ ...parts, transaction, data: { ...context, ...parts.data } }))
  }

  #answered({ status, body }: DispatchResult): Action[] {
    assert.equal(status, 200, JSON.stringify(body))
    const checked = validateAnswer(body)
    assert.ok(checked.ok, JSON.stringify(checked))
    const answer = body as Answer
    if (answer.context !== undefined) this.context = answer.context
    return answer.actions
  }
}

function deepFrozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFrozen(inner)
  }
  return value
}
