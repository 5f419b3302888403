import type { Redis } from '@upstash/redis'
import type { Clock } from '../../contract/clock.ts'
import { reasonOf } from '../../contract/reason.ts'
import type { Executor, Lane } from './executor.ts'
import type { Script } from './script.ts'

/** A script with its one key, or the base of its keys, and its arguments; or plain commands. */
export type Call =
  | { script: Script; key: string; args: readonly (string | number)[] }
  | ((pipeline: Pipeline) => unknown)
type Pipeline = ReturnType<Redis['pipeline']>
type Reply = { result?: unknown; error?: string | undefined }

/** Sends commands within one operation. @returns their replies in order; rejects with the first error among them */
export type Run = (calls: readonly Call[]) => Promise<unknown[]>

export interface CommandOptions {
  clock: Clock
  /** How long an operation may take, all its round trips together; milliseconds. */
  deadlineMs: number
  onState?: ((isUp: boolean) => void) | undefined
  observe?: ((operation: string, ms: number, ok: boolean) => void) | undefined
}

/** Redis answered, with an error. */
class ErrorReply extends Error {}

/** A cluster is there again when no operation has failed for so long: with one server away, some fail and some do not. Milliseconds. */
const CALM_MS = 1000

/** Answers of a server that cannot serve anybody now. */
const OUT_OF_SERVICE = /^(LOADING|CLUSTERDOWN|MASTERDOWN|READONLY|MISCONF|OOM|NOREPLICAS|TRYAGAIN)\b/

/**
 * Operations on Redis: each has a deadline, fails with an Error that names it, and tells whether Redis is there. A pipeline of scripts is
 * one round trip; a server that does not know a script yet gets its text.
 */
export class Commands {
  readonly #executor: Executor
  readonly #options: CommandOptions
  #isUp: boolean | undefined
  #failedAt = Number.NEGATIVE_INFINITY

  constructor(executor: Executor, options: CommandOptions) {
    this.#executor = executor
    this.#options = options
  }

  get isCluster(): boolean {
    return this.#executor.isCluster
  }

  /** @param lane another one than the common one, with `extraMs` more time */
  async operation<Result>(
    name: string,
    work: (run: Run) => Promise<Result>,
    lane: Lane = this.#executor,
    extraMs = 0,
  ): Promise<Result> {
    const { clock, deadlineMs, observe } = this.#options
    const started = clock.now()
    const deadline = this.#deadline(deadlineMs + extraMs, lane)
    try {
      const run: Run = async (calls) => {
        if (deadline.isOver()) throw new Error('its time is over')
        return pipelined(lane.redis, calls)
      }
      const result = await Promise.race([work(run), deadline.promise])
      this.told(true)
      observe?.(name, clock.now() - started, true)
      return result
    } catch (error) {
      if (!lane.isClosed) this.told(error instanceof ErrorReply && !OUT_OF_SERVICE.test(error.message))
      observe?.(name, clock.now() - started, false)
      throw new Error(`store.${name}: ${reasonOf(error)}`, { cause: error })
    } finally {
      deadline.clear()
    }
  }

  /** What is known of Redis now: whoever asked to be told hears each change. */
  told(isUp: boolean): void {
    const now = this.#options.clock.now()
    if (!isUp) this.#failedAt = now
    else if (this.isCluster && now - this.#failedAt < CALM_MS) return
    if (isUp === this.#isUp) return
    this.#isUp = isUp
    this.#options.onState?.(isUp)
  }

  #deadline(ms: number, lane: Lane): { promise: Promise<never>; isOver(): boolean; clear(): void } {
    let isOver = false
    let give = (_error: Error): void => {}
    const promise = new Promise<never>((_, reject) => {
      give = reject
    })
    const end = () => {
      isOver = true
      lane.stuck()
      give(new Error(`Redis did not answer within ${ms} ms`))
    }
    const { clock } = this.#options
    // It may be this process that was late: what has come by now is heard first.
    let timer = clock.after(ms, () => {
      timer = clock.after(0, end)
    })
    return { promise, isOver: () => isOver, clear: () => timer.cancel() }
  }
}

async function pipelined(redis: Redis, calls: readonly Call[]): Promise<unknown[]> {
  if (calls.length === 0) return []
  for (const call of calls) if ('script' in call && call.script.digest === undefined) await call.script.prepare()
  const replies = await send(redis, calls, 'evalsha')
  const unknown = replies.flatMap(({ error }, index) => (error?.startsWith('NOSCRIPT') ? [index] : []))
  if (unknown.length > 0) {
    const again = await send(redis, pick(calls, unknown), 'eval')
    unknown.forEach((index, nth) => {
      replies[index] = again[nth]!
    })
  }
  for (const { error } of replies) if (error) throw new ErrorReply(error)
  return replies.map(({ result }) => result)
}

async function send(redis: Redis, calls: readonly Call[], by: 'evalsha' | 'eval'): Promise<Reply[]> {
  const pipeline = redis.pipeline()
  for (const call of calls) {
    if (!('script' in call)) call(pipeline)
    else pipeline[by](by === 'eval' ? call.script.text : call.script.digest!, [call.key], call.args.map(String))
  }
  return (await pipeline.exec({ keepErrors: true })) as Reply[]
}

function pick<Item>(items: readonly Item[], indices: readonly number[]): Item[] {
  return indices.map((index) => items[index]!)
}
