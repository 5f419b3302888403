import { type Action, type ActionOf, Actions } from './actions.ts'
import { type Attributes, attributeFault, EventAttribute } from './events.ts'
import { compileFastCheck } from './fast-check.ts'
import { type Fault, faultProblem, schemaFault } from './fault.ts'
import type { Result } from './problem.ts'

/** What cannot happen without an invocation, or not after one: not in an inline reaction. */
export const REFUSED: ReadonlySet<string> = new Set([
  ...['wait', 'lookup', 'authorize', 'subscribe', 'save', 'challenge', 'redirect'],
])
/** Passes as a URI, as a name and as free text: whatever an attribute may stand for. */
export const SAMPLE = 'sip:sample'
/** Levels of nesting that are looked through; no action needs more. */
const MAX_DEPTH = 8

const isActions = compileFastCheck(Actions)

type Raw = readonly Readonly<Record<string, unknown>>[]
/** The value of an attribute, or a fault when there is none. */
type Look = (attribute: string) => { value: string } | { message: string }

/**
 * The first fault of an inline reaction to `event`, checked with a sample in place of every `fromEvent`.
 * Its path is relative to the reaction.
 */
export function reactionFault(actions: Raw, event: string): Fault | undefined {
  const read = substituted(actions, (attribute) => {
    const fault = attributeFault(event, [attribute])
    return fault ? { message: fault.message } : { value: SAMPLE }
  })
  return 'fault' in read ? read.fault : undefined
}

/**
 * The actions of an inline reaction, once the event that fires it is known.
 * @returns problem `handler.invalid_answer` when the event lacks an attribute, or its value is not allowed where it goes (CR in
 * a header value); the pointer is relative to the reaction
 */
export function resolveFromEvent(actions: Raw, attributes: Attributes): Result<Action[]> {
  const read = substituted(actions, (attribute) =>
    Object.hasOwn(attributes, attribute)
      ? { value: String(attributes[attribute]) }
      : { message: `the event has no attribute "${attribute}"` },
  )
  return 'fault' in read
    ? { ok: false, problem: faultProblem('handler.invalid_answer', read.fault) }
    : { ok: true, value: read.actions }
}

function substituted(actions: Raw, look: Look): { actions: Action[] } | { fault: Fault } {
  const faults: Fault[] = []
  const values = replaceFromEvent(actions, look, [], faults)
  if (faults[0]) return { fault: faults[0] }
  const read = isActions(values) ? { success: true as const, data: values as Action[] } : Actions.safeParse(values)
  if (!read.success) return { fault: schemaFault(read.error.issues, values) }
  const refused = read.data.findIndex(({ action }) => REFUSED.has(action))
  if (refused === -1) return published(read.data)
  const message = `"${read.data[refused]!.action}" is not possible in an inline reaction; name a handler instead`
  return { fault: { path: [refused, 'action'], message } }
}

function published(actions: Action[]): { actions: Action[] } | { fault: Fault } {
  for (const [index, action] of actions.entries()) {
    const fault = action.action === 'publish' ? publishFault(action) : undefined
    if (fault) return { fault: { ...fault, path: [index, ...fault.path] } }
  }
  return { actions }
}

/** An attribute that the predefined event does not have; the path is relative to the action. */
export function publishFault({ type, attributes = {} }: ActionOf<'publish'>): Fault | undefined {
  const fault = attributeFault(type, Object.keys(attributes))
  return fault && { path: ['attributes', fault.attribute], message: fault.message }
}

function replaceFromEvent(value: unknown, look: Look, path: PropertyKey[], faults: Fault[]): unknown {
  if (typeof value !== 'object' || value === null || faults.length > 0) return value
  if (path.length > MAX_DEPTH) return void faults.push({ path, message: 'is nested too deeply' })
  if (Array.isArray(value)) return value.map((item, i) => replaceFromEvent(item, look, [...path, i], faults))
  if (Object.hasOwn(value, 'fromEvent')) return attributeOf(value as { fromEvent: unknown }, look, path, faults)
  const entries = Object.entries(value)
  return Object.fromEntries(entries.map(([key, inner]) => [key, replaceFromEvent(inner, look, [...path, key], faults)]))
}

function attributeOf({ fromEvent }: { fromEvent: unknown }, look: Look, path: PropertyKey[], faults: Fault[]): unknown {
  const named = EventAttribute.safeParse(fromEvent)
  const found = named.success ? look(named.data) : { message: 'expected the name of an attribute' }
  if ('value' in found) return found.value
  return void faults.push({ path: [...path, 'fromEvent'], message: found.message })
}
