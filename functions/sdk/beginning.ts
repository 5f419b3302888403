import type { Invocation } from '../contract/envelope.ts'
import { instanceOf, type Journal, type JournalStart, ROUTE_INSTANCE, readJournal, resultOf } from './journal.ts'

/** Where a handler starts, or starts again. */
export interface Begun {
  instance: string
  journal: Journal
  canWait: boolean
}

/** @param handler the named handler; undefined for a route */
export function begunBy(handler: string | undefined, { time, data }: Invocation): Begun {
  const start: JournalStart = { time }
  if (handler !== undefined && data.event) start.event = data.event
  if (handler !== undefined && data.branch) start.branch = data.branch
  const instance = handler === undefined ? ROUTE_INSTANCE : `${handler}.${data.transaction.seq}`
  return { instance, journal: newJournal(start), canWait: true }
}

/** @returns undefined when the handler to take up again has ended, is not known, or has been told this outcome before: it is told at least once */
export function takenUp({ time, data: { wait, context } }: Invocation): Begun | undefined {
  const instance = instanceOf(wait?.name ?? '')
  const stored = readJournal(context, instance)
  if (!wait || !stored) return undefined
  if (stored.results.some(({ of }) => of === wait.name)) return undefined
  const results = [...stored.results, resultOf(wait, time)]
  return { instance, journal: { ...copied(stored), results }, canWait: true }
}

/** The gateway's invocation is not changed: what grows is copied. */
function copied({ steps, seen, start, results, patches }: Journal): Journal {
  const copiedSeen = Object.fromEntries(Object.entries(seen).map(([name, log]) => [name, [...log]]))
  const copy: Journal = { steps: [...steps], seen: copiedSeen, start, results }
  return patches ? { ...copy, patches: { ...patches } } : copy
}

export function newJournal(start: JournalStart): Journal {
  return { steps: [], results: [], seen: {}, start }
}
