import { durationMs } from '../../functions/contract/duration.ts'
import type { Manifest } from '../../functions/contract/envelope.ts'
import { handlerPath } from '../../functions/contract/path.ts'
import { Routes } from '../../functions/contract/routes.ts'

/** What the routes and handlers of a manifest ask for. Only made when one of them asks for anything. */
export class RouteBudgets {
  readonly #routes = new Routes<number | undefined>()
  readonly #handlers: Map<string, number>
  readonly #maxMs: number

  /** @param maxMs what none gets more than, milliseconds. Throws a TypeError for a path that could not be matched as it is meant */
  constructor({ routes, handlerBudgets = {} }: Manifest, maxMs: number) {
    this.#maxMs = maxMs
    for (const { method, path, budget } of routes) this.#routes.add(method.toUpperCase(), path, this.#ms(budget))
    this.#handlers = new Map(
      Object.entries(handlerBudgets).map(([name, budget]) => [handlerPath(name), this.#ms(budget)!]),
    )
  }

  /** @param path routing key, `/invite/example.com/bob` or `/on/late-fork`. @returns milliseconds; undefined: it does not ask */
  of(path: string): number | undefined {
    if (path.startsWith('/on/')) return this.#handlers.get(path)
    const slash = path.indexOf('/', 1)
    return this.#routes.match(path.slice(1, slash).toUpperCase(), path.slice(slash))?.handler
  }

  #ms(budget: string | number | undefined): number | undefined {
    return budget === undefined ? undefined : Math.min(durationMs(budget)!, this.#maxMs)
  }
}

/** Whether any route or handler asks for something of its own. */
export function declaresBudgets({ routes, handlerBudgets = {} }: Manifest): boolean {
  return routes.some(({ budget }) => budget !== undefined) || Object.keys(handlerBudgets).length > 0
}

/** Those that ask for more than `maxMs`, as people read them: `INVITE /:domain/:user`. */
export function cutBudgets({ routes, handlerBudgets = {} }: Manifest, maxMs: number): string[] {
  const isCut = (budget: string | number | undefined) => budget !== undefined && durationMs(budget)! > maxMs
  return [
    ...routes.filter(({ budget }) => isCut(budget)).map(({ method, path }) => `${method} ${path}`),
    ...Object.keys(handlerBudgets)
      .filter((name) => isCut(handlerBudgets[name]))
      .map((name) => `on ${name}`),
  ]
}
