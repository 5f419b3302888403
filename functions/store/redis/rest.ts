import { Redis, type UpstashRequest, type UpstashResponse } from '@upstash/redis'
import type { Clock } from '../../contract/clock.ts'
import type { Store } from '../store.ts'
import type { Executor } from './executor.ts'
import { DEFAULT_DEADLINE_MS, RedisStore, type RedisStoreOptions } from './redis-store.ts'

/** Commands that travel in one request at most. */
const COMMANDS_IN_REQUEST = 256

export interface RestStoreOptions extends RedisStoreOptions {
  /** Where Upstash's REST API is spoken: `https://…`. */
  url: string
  token: string
}

/** The store in Redis over HTTP, the functions', who can hold no socket: same keys, same scripts. Runs wherever `fetch` does. */
export function createUpstashStore(options: RestStoreOptions): Store {
  return new RedisStore(options, () => restExecutor(options))
}

function restExecutor({ url, token, clock, deadlineMs = DEFAULT_DEADLINE_MS }: RestStoreOptions): Executor {
  // Never a second try of its own: a claim that is made twice is lost.
  const redis = new Redis({
    url,
    token,
    automaticDeserialization: false,
    enableAutoPipelining: false,
    enableTelemetry: false,
    retry: { retries: 0 },
  })
  redis.use(inBatches((request, next) => bounded(request, next, clock, deadlineMs)))
  return { redis, isCluster: false, isClosed: false, stuck: () => {}, close: () => {} }
}

type Middleware = Parameters<Redis['use']>[0]
type Next = Parameters<Middleware>[1]
type Send = (request: UpstashRequest, next: Next) => Promise<UpstashResponse<unknown>>

/** A request that nobody waits for any more is given up; the client would make an answer of it. */
async function bounded(request: UpstashRequest, next: Next, clock: Clock, deadlineMs: number) {
  const controller = new AbortController()
  const timer = clock.after(deadlineMs, () => controller.abort())
  try {
    const answer = await next({ ...request, signal: controller.signal })
    if (controller.signal.aborted) throw new Error(`Redis did not answer within ${deadlineMs} ms`)
    return answer
  } catch (error) {
    throw withoutCommands(error)
  } finally {
    timer.cancel()
  }
}

/** The client's errors quote what was sent: events and scripts, which no log should hold. */
function withoutCommands(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const end = error.message.indexOf(', command was: ')
  return end < 0 ? error : new Error(error.message.slice(0, end))
}

interface Waiting {
  commands: unknown[]
  resolve(replies: unknown[]): void
  reject(error: unknown): void
}

/** The pipelines of one turn become one request, which a server does in order. */
function inBatches(send: Send): Middleware {
  let batch: Waiting[] = []
  let size = 0
  const flush = (next: Next) => {
    const sending = batch
    batch = []
    size = 0
    if (sending.length === 0) return
    const body = sending.flatMap(({ commands }) => commands)
    send({ path: ['pipeline'], body }, next)
      .then((answer) => {
        const replies = repliesIn(answer, body.length)
        let at = 0
        for (const { commands, resolve } of sending) {
          resolve(replies.slice(at, at + commands.length))
          at += commands.length
        }
      })
      .catch((error) => {
        for (const { reject } of sending) reject(error)
      })
  }
  const add = ({ body }: UpstashRequest, next: Next) =>
    new Promise<unknown[]>((resolve, reject) => {
      const commands = body as unknown[]
      if (size + commands.length > COMMANDS_IN_REQUEST) flush(next)
      if (size === 0) queueMicrotask(() => flush(next))
      size += commands.length
      batch.push({ commands, resolve, reject })
    })
  return ((request: UpstashRequest, next: Next) => add(request, next)) as unknown as Middleware
}

/** One for each command, or it was not Upstash that answered. */
function repliesIn(answer: unknown, count: number): unknown[] {
  if (Array.isArray(answer) && answer.length === count) return answer
  throw new Error("the answer is not one of Upstash's REST API; does the URL lead there?")
}
