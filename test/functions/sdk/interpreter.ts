import { execute, type Statement, type Verbs } from './programs.ts'

/** What came of the n-th thing a program began to wait for. */
export interface Came {
  of: number
  value?: unknown
  error?: string
  /** Milliseconds since the epoch. */
  at: number
}

/** What was told from outside, and what another handler had kept with the call by then. */
export interface Told {
  value: unknown
  at: number
  heard: unknown
}

/**
 * Runs a program where an await really waits: promises that are settled one by one, no journal, no replay.
 * @param told  by the number of what was waited for
 * @param draws what chance says, in order
 * @returns what it did, and the error it ended with
 */
export async function uninterrupted(
  statements: readonly Statement[],
  script: readonly Came[],
  told: ReadonlyMap<number, Told>,
  draws: readonly number[],
  start: number,
) {
  const did: string[] = []
  const pending: PromiseWithResolvers<unknown>[] = []
  let now = start
  let drawn = 0
  let noted: unknown
  let heard: unknown
  const begin = (what: string) => {
    const waited = Promise.withResolvers<unknown>()
    waited.promise.catch(() => {})
    if (what !== 'run') did.push(`${what} ${pending.length + 1}`)
    pending.push(waited)
    return waited.promise
  }
  const verbs: Verbs = {
    act: (text) => void did.push(text),
    wait: () => begin('wait'),
    ring: () => begin('ring'),
    lookup: () => begin('lookup'),
    run: () => begin('run'),
    now: () => now,
    random: () => draws[drawn++]!,
    note: (label) => {
      noted = label
    },
    noted: () => noted,
    heard: () => heard,
  }
  let ending: string | undefined
  const over = () => ending !== undefined
  void execute(statements, verbs).then(
    () => (ending = 'returned'),
    (error: Error) => (ending = error.message),
  )
  await drained()
  for (const { of, value, error, at } of script) {
    if (over()) break
    now = at
    if (told.has(of)) heard = told.get(of)!.heard
    if (error === undefined) pending[of - 1]!.resolve(value)
    else pending[of - 1]!.reject(new Error(error))
    await drained()
  }
  return { did, ending }
}

function drained(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
