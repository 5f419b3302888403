import { Worker } from 'node:worker_threads'
import type { Clock } from '../../../functions/contract/clock.ts'
import type { Invocation, Manifest } from '../../../functions/contract/envelope.ts'
import type { Result } from '../../../functions/contract/problem.ts'
import { type FunctionHost, type HostReply, type InvokeOptions, MANIFEST_TIMEOUT_MS } from '../../invocation/host.ts'
import { PendingReply } from '../../invocation/invoker-pending.ts'
import { unreachable } from '../../invocation/invoker-reply.ts'
import type { FromThread, ThreadData, ToThread } from './protocol.ts'

/** As it is written here: TypeScript in a checkout, JavaScript in the published package. */
const THREAD = new URL(import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js', import.meta.url)
/** Milliseconds that invocations of code that was replaced get: more than a gateway waits for any. */
const RETIRE_WITHIN_MS = 10_000
const GONE = 'the thread of the functions has ended'

export interface ThreadOptions {
  file: string
  env: Readonly<Record<string, string | undefined>>
  clock: Clock
  /** A file that the app is made of. */
  onFile(file: string): void
  /** The app threw outside of any invocation. */
  onStray(message: string): void
  /** It has ended by itself: `process.exit`, out of memory. */
  onEnd(): void
}

/** Functions in a thread of their own, as they were when it began: whatever they do, the gateway turns. */
export class FunctionThread implements FunctionHost {
  readonly #worker: Worker
  readonly #options: ThreadOptions
  readonly #replies = new Map<number, (reply: HostReply) => void>()
  readonly #manifests = new Map<number, (manifest: Result<Manifest>) => void>()
  readonly #loaded = Promise.withResolvers<{ ok: true } | { ok: false; message: string }>()
  #ids = 0
  #isOver = false
  #idle: (() => void) | undefined

  constructor(options: ThreadOptions) {
    const workerData: ThreadData = { file: options.file }
    this.#options = options
    this.#worker = new Worker(THREAD, { workerData, env: { ...options.env } as NodeJS.Dict<string> })
    this.#worker.on('message', (message: FromThread) => this.#receive(message))
    this.#worker.on('error', (error) => this.#ended(error.message))
    this.#worker.on('exit', () => this.#ended('it ended while it was loaded'))
  }

  /** Whether the app could be loaded, and what is wrong with it. */
  get loaded(): Promise<{ ok: true } | { ok: false; message: string }> {
    return this.#loaded.promise
  }

  manifest(): Promise<Result<Manifest>> {
    const { promise, resolve } = Promise.withResolvers<Result<Manifest>>()
    const fail = () => resolve({ ok: false, problem: { code: 'handler.unreachable', detail: GONE } })
    if (this.#isOver) fail()
    const id = this.#ids++
    this.#manifests.set(id, resolve)
    const timer = this.#options.clock.after(MANIFEST_TIMEOUT_MS, fail)
    this.#say({ kind: 'manifest', id })
    return promise.finally(() => {
      timer.cancel()
      this.#manifests.delete(id)
    })
  }

  invoke(path: string, invocation: Invocation, options: InvokeOptions): Promise<HostReply> {
    const pending = new PendingReply()
    pending.watch(this.#options.clock, options)
    if (this.#isOver) pending.settle(unreachable(GONE))
    if (pending.settled) return pending.promise
    const id = this.#ids++
    this.#replies.set(id, (reply) => pending.settle(reply))
    pending.giveUp = () => this.#say({ kind: 'abort', id })
    this.#say({ kind: 'invoke', id, path, invocation, timeoutMs: options.timeoutMs })
    return pending.promise
  }

  /** Ends it when what it was asked is answered; it is asked no more. */
  async retire(): Promise<void> {
    if (this.#replies.size > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve
        this.#options.clock.after(RETIRE_WITHIN_MS, resolve)
      })
    }
    await this.close()
  }

  async close(): Promise<void> {
    this.#isOver = true
    await this.#worker.terminate()
  }

  #say(message: ToThread): void {
    this.#worker.postMessage(message)
  }

  #receive(message: FromThread): void {
    switch (message.kind) {
      case 'file':
        return this.#options.onFile(message.file)
      case 'ready':
        return this.#loaded.resolve({ ok: true })
      case 'failed':
        return this.#loaded.resolve({ ok: false, message: message.message })
      case 'stray':
        return this.#options.onStray(message.message)
      case 'manifest':
        return this.#manifests.get(message.id)?.(message.manifest)
      case 'reply':
        this.#replies.get(message.id)?.(message.reply)
        this.#replies.delete(message.id)
        if (this.#replies.size === 0) this.#idle?.()
    }
  }

  #ended(why: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#loaded.resolve({ ok: false, message: why })
    for (const settle of this.#replies.values()) settle(unreachable(GONE))
    for (const settle of this.#manifests.values())
      settle({ ok: false, problem: { code: 'handler.unreachable', detail: GONE } })
    this.#options.onEnd()
  }
}
