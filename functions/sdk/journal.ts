import type { Action } from '../contract/actions.ts'
import type { Branch, EventData, WaitOutcome } from '../contract/envelope.ts'

/**
 * What a suspended handler needs to come back to where it was. It travels in the answer's `context`, which the gateway keeps and
 * echoes; a function holds no state.
 */
export interface Journal {
  /** What the handler has done so far, in order: one text for each action and each `run`. */
  steps: string[]
  /** What came of its durable verbs, in the order in which it came. */
  results: StepResult[]
  /** What it saw of the changing world: name to [results there were then, value]. */
  seen: Record<string, [number, unknown][]>
  start: JournalStart
  /** What `call.patched` has said, by the name of the change. */
  patches?: Record<string, boolean>
}

export interface JournalStart {
  /** ISO time of the first invocation. */
  time: string
  event?: EventData
  branch?: Branch
}

/** `of` is the name of the wait, ring, lookup, authorize or run. Without `value`: undefined. */
export interface StepResult {
  of: string
  value?: unknown
  error?: StepError
  timedOut?: true
  /** See WaitOutcome. */
  noDevice?: true
  /** When the function heard of it, milliseconds since the epoch. Absent: in the invocation of the result before. */
  at?: number
}

export interface StepError {
  name: string
  message: string
  /** As Node's errors have one: `ECONNREFUSED`. */
  code?: string | number
}

/** The SDK's `context`: the handler's own data and the journals of its suspended handlers. */
export interface StoredContext {
  sdk: 1
  data?: Record<string, unknown>
  journals?: Record<string, Journal>
}

/** The name of the journal of a route, as against those of named handlers (`late-fork.4`). */
export const ROUTE_INSTANCE = ''

/** @returns undefined for nothing, and for what this SDK has not written */
export function readContext(context: unknown): StoredContext | undefined {
  return typeof context === 'object' && context !== null && (context as StoredContext).sdk === 1
    ? (context as StoredContext)
    : undefined
}

/** The journal of a suspended handler; undefined when there is none, or when it is not what this SDK has written. */
export function readJournal(context: unknown, instance: string): Journal | undefined {
  const journals = readContext(context)?.journals
  if (!journals || !Object.hasOwn(journals, instance)) return undefined
  const journal = journals[instance]
  const isWhole = Array.isArray(journal?.steps) && Array.isArray(journal.results) && !!journal.seen && !!journal.start
  return isWhole ? journal : undefined
}

/** `late-fork.4:wait-1` belongs to `late-fork.4`, `wait-1` to the route. */
export function instanceOf(waitName: string): string {
  return waitName.slice(0, Math.max(0, waitName.lastIndexOf(':')))
}

/** The named handler an instance belongs to; undefined for the route. */
export function handlerOf(instance: string): string | undefined {
  return instance === ROUTE_INSTANCE ? undefined : instance.slice(0, instance.lastIndexOf('.'))
}

/** @param time ISO time of the invocation */
export function resultOf(wait: WaitOutcome, time: string): StepResult {
  const at = Date.parse(time)
  const result: StepResult = {
    of: wait.name,
    value: wait.contacts ?? wait.authorization ?? wait.fork ?? wait.event ?? null,
  }
  if (wait.timedOut) Object.assign(result, { value: null, timedOut: true }, wait.noDevice && { noDevice: true })
  return Number.isNaN(at) ? result : { ...result, at }
}

/** Fields that may hold secrets, and never tell two actions apart for a person. */
const HASHED = new Set(['headers', 'body', 'data', 'values', 'attributes', 'actions'])
const LONGEST_STEP = 200

/** One action as a text to compare: short, without what nobody has to keep, and the same in whatever order its options were given. */
export function stepOf(action: Action): string {
  const text = JSON.stringify(action, (key, value) =>
    HASHED.has(key) && value !== undefined ? `#${hash(JSON.stringify(value, inOrder))}` : inOrder(key, value),
  )
  return text.length <= LONGEST_STEP ? text : `${text.slice(0, LONGEST_STEP - 20)}…#${hash(text)}`
}

/** For `JSON.stringify`: fields by their names, but first of all what an action is. */
function inOrder(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const names = Object.keys(value).sort()
  const fields = names.map((name) => [name, (value as Record<string, unknown>)[name]])
  return Object.fromEntries('action' in value ? [['action', value.action], ...fields] : fields)
}

/** 53 bits, to tell texts apart; not for secrets that can be guessed. */
function hash(text: string): string {
  let high = 0xdeadbeef
  let low = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    high = Math.imul(high ^ code, 2654435761)
    low = Math.imul(low ^ code, 1597334677)
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909)
  return (4294967296 * (2097151 & low) + (high >>> 0)).toString(36)
}
