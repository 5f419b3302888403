/** Small random handlers: what a program does depends on what its waits came to, on time and on chance. */

export type Statement =
  | { do: 'act'; label: number }
  | { do: 'await'; kind: 'wait' | 'ring' | 'lookup' | 'run' | 'failing' }
  | { do: 'early' | 'note'; label: number }
  | { do: 'if'; body: Statement[] }
  | { do: 'try'; body: Statement[] }
  | { do: 'all' | 'race'; bodies: Statement[][] }

/** What a program is run against. */
export interface Verbs {
  act(text: string): void
  wait(): Promise<unknown>
  ring(): Promise<unknown>
  lookup(): Promise<unknown>
  run(fails: boolean): Promise<unknown>
  now(): number
  random(): number
  /** What is kept with the call. */
  note(label: number): void
  noted(): unknown
  /** What another handler has kept with it. */
  heard(): unknown
}

export function program(random: () => number, depth = 2): Statement[] {
  return Array.from({ length: 1 + Math.floor(random() * 4) }, () => statement(random, depth))
}

function statement(random: () => number, depth: number): Statement {
  const choice = random()
  const label = Math.floor(random() * 1000)
  if (choice < 0.15) return { do: 'act', label }
  if (choice < 0.25) return { do: 'note', label }
  if (choice < 0.35) return { do: 'early', label }
  if (choice < 0.65 || depth === 0) {
    const kinds = ['wait', 'ring', 'lookup', 'run', 'failing'] as const
    return { do: 'await', kind: kinds[Math.floor(random() * kinds.length)]! }
  }
  if (choice < 0.75) return { do: 'if', body: program(random, depth - 1) }
  if (choice < 0.85) return { do: 'try', body: program(random, depth - 1) }
  const bodies = [program(random, depth - 1), program(random, depth - 1)]
  return { do: choice < 0.93 ? 'all' : 'race', bodies }
}

/** Runs a program; `delivered` hears of what was awaited, in the order in which the program went on. */
export async function execute(statements: readonly Statement[], verbs: Verbs): Promise<void> {
  const memory = { last: 'nothing' }
  await block(statements, verbs, memory)
  verbs.act(`end after ${memory.last}`)
}

interface Memory {
  last: string
}

async function block(statements: readonly Statement[], verbs: Verbs, memory: Memory): Promise<void> {
  for (const each of statements) await step(each, verbs, memory)
}

async function step(each: Statement, verbs: Verbs, memory: Memory): Promise<void> {
  switch (each.do) {
    case 'act':
      return verbs.act(
        `${each.label} ${memory.last} noted ${verbs.noted()} heard ${verbs.heard()} at ${verbs.now()} by ${verbs.random()}`,
      )
    case 'await':
      memory.last = JSON.stringify(await begun(each.kind, verbs))
      return
    case 'note':
      return verbs.note(each.label)
    case 'early': {
      const waited = verbs.wait()
      verbs.act(`${each.label} before`)
      memory.last = JSON.stringify(await waited)
      return
    }
    case 'if':
      if (memory.last.length % 2 === 0) await block(each.body, verbs, memory)
      return
    case 'try':
      try {
        await block(each.body, verbs, memory)
      } catch (error) {
        verbs.act(`caught ${(error as Error).message}`)
      }
      return
    case 'all':
      await Promise.all(each.bodies.map((body) => block(body, verbs, { ...memory })))
      return
    case 'race':
      await Promise.race(each.bodies.map((body) => block(body, verbs, { ...memory })))
  }
}

function begun(kind: Extract<Statement, { do: 'await' }>['kind'], verbs: Verbs): Promise<unknown> {
  if (kind === 'run' || kind === 'failing') return verbs.run(kind === 'failing')
  return verbs[kind]()
}
