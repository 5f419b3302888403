import { type Action, Answer } from './actions.ts'
import { Invocation, Manifest } from './envelope.ts'
import { attributeFault, type Filter, MAX_EVENT_OCTETS, RaisedEvent } from './events.ts'
import { compileFastCheck } from './fast-check.ts'
import { type Fault, faultProblem, schemaFault } from './fault.ts'
import type { ProblemCode, Result } from './problem.ts'
import { PushMessage } from './push.ts'
import { publishFault, reactionFault } from './reaction.ts'

export { resolveFromEvent } from './reaction.ts'

const isAnswer = compileFastCheck(Answer)
const isInvocation = compileFastCheck(Invocation)

/**
 * The body of a function's 200. Unknown fields are dropped, an unknown action is refused; filters are strict, inline
 * reactions are checked like the actions they will be.
 * @returns the answer (the value itself when nothing had to be dropped), or problem `handler.invalid_answer` with a pointer to
 * the first fault
 */
export function validateAnswer(json: unknown): Result<Answer> {
  const read = isAnswer(json) ? { data: json as Answer } : parsed(Answer, json)
  const fault = 'fault' in read ? read.fault : actionsFault(read.data.actions)
  if (fault) return { ok: false, problem: faultProblem('handler.invalid_answer', fault) }
  return { ok: true, value: (read as { data: Answer }).data }
}

/** What a gateway POSTs. Problem `request.invalid`, with a pointer to the first fault. */
export function validateInvocation(json: unknown): Result<Invocation> {
  if (isInvocation(json)) return { ok: true, value: json as Invocation }
  return result(parsed(Invocation, json), 'request.invalid')
}

/** The body of `GET /.well-known/rouse`. Problem `handler.invalid_answer`, with a pointer to the first fault. */
export function validateManifest(json: unknown): Result<Manifest> {
  return result(parsed(Manifest, json), 'handler.invalid_answer')
}

/** What comes to `POST /push`. Problem `request.invalid`, with a pointer to the first fault; no token is in it. */
export function validatePushMessage(json: unknown): Result<PushMessage> {
  return result(parsed(PushMessage, json), 'request.invalid')
}

/**
 * An event that a program raises. Problem `request.invalid`, with a pointer to the first fault: a value that is no text, an attribute that
 * a predefined event does not have, more than `MAX_EVENT_OCTETS`.
 */
export function validateEvent(json: unknown): Result<RaisedEvent> {
  const read = parsed(RaisedEvent, json)
  const fault = 'fault' in read ? undefined : eventFault(read.data)
  return result(fault ? { fault } : read, 'request.invalid')
}

type Parsed<T> = { data: T } | { fault: Fault }

function parsed<T>(schema: { safeParse(value: unknown): SafeParsed<T> }, json: unknown): Parsed<T> {
  const read = schema.safeParse(json)
  return read.success ? { data: read.data } : { fault: schemaFault(read.error.issues, json) }
}
type SafeParsed<T> =
  | { success: true; data: T }
  | { success: false; error: { issues: Parameters<typeof schemaFault>[0] } }

function result<T>(read: Parsed<T>, code: ProblemCode): Result<T> {
  return 'fault' in read ? { ok: false, problem: faultProblem(code, read.fault) } : { ok: true, value: read.data }
}

/** What a schema cannot say: fields that depend on each other. */
function actionsFault(actions: readonly Action[]): Fault | undefined {
  for (let i = 0; i < actions.length; i++) {
    const action = actions[i]!
    const fault = actionFault(action)
    if (fault) return { ...fault, path: ['actions', i, ...fault.path] }
  }
  return undefined
}

function actionFault(action: Action): Fault | undefined {
  switch (action.action) {
    case 'subscribe':
      return subscribeFault(action)
    case 'wait':
      return waitFault(action)
    case 'publish':
      return publishFault(action)
    default:
      return undefined
  }
}

function subscribeFault(subscribe: Extract<Action, { action: 'subscribe' }>): Fault | undefined {
  const { event, filter, handler, actions } = subscribe
  if ((handler === undefined) === (actions === undefined)) {
    return { path: [], message: 'expected either a handler or actions' }
  }
  const fault = filter && strictFault(event, filter, ['filter'])
  if (fault || !actions) return fault
  const inner = reactionFault(actions, event)
  return inner && { ...inner, path: ['actions', ...inner.path] }
}

function waitFault({ any }: Extract<Action, { action: 'wait' }>): Fault | undefined {
  for (let i = 0; i < any.length; i++) {
    const condition = any[i]!
    if (!('event' in condition) || !condition.filter) continue
    const fault = strictFault(condition.event, condition.filter, ['any', i, 'filter'])
    if (fault) return fault
  }
  return undefined
}

function eventFault({ type, attributes }: RaisedEvent): Fault | undefined {
  const fault = publishFault({ action: 'publish', type, attributes })
  if (fault) return fault
  const octets = new TextEncoder().encode(JSON.stringify(attributes)).length
  if (octets <= MAX_EVENT_OCTETS) return undefined
  return { path: ['attributes'], message: `expected at most ${MAX_EVENT_OCTETS} octets as JSON, got ${octets}` }
}

function strictFault(event: string, filter: Filter, path: PropertyKey[]): Fault | undefined {
  const fault = attributeFault(event, Object.keys(filter))
  return fault && { path: [...path, fault.attribute], message: fault.message }
}
