import type { Clock } from '../../../functions/contract/clock.ts'
import type { Invocation, Manifest } from '../../../functions/contract/envelope.ts'
import type { Result } from '../../../functions/contract/problem.ts'
import type { FunctionHost, HostReply, InvokeOptions } from '../../invocation/host.ts'
import { unreachable } from '../../invocation/invoker-reply.ts'
import { FileWatch } from './file-watch.ts'
import { FunctionThread } from './function-thread.ts'

export interface ReloadingOptions {
  file: string
  env: Readonly<Record<string, string | undefined>>
  clock: Clock
  /** New code is in use; `changed` was saved. */
  onReload(changed: string): void
  /** It cannot be loaded; what was in use stays in use, if there was anything yet. */
  onBroken(message: string, isFirst: boolean): void
  onStray(message: string): void
}

const NOT_LOADED = 'the functions could not be loaded yet: mend them and save'

/**
 * Functions that are loaded anew, each time in a new thread, when one of their files is saved. What the old code was asked it answers;
 * code that cannot be loaded never takes over.
 */
export class ReloadingFunctions implements FunctionHost {
  readonly #options: ReloadingOptions
  readonly #watch: FileWatch
  #current: FunctionThread | undefined
  #loading: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(options: ReloadingOptions) {
    this.#options = options
    this.#watch = new FileWatch(options.clock, (changed) => this.#reload(changed))
    this.#watch.add(options.file)
  }

  /** Loads them for the first time; `onBroken` is told when that fails, and the next save is another chance. */
  start(): Promise<void> {
    this.#loading = this.#load()
    return this.#loading
  }

  async manifest(): Promise<Result<Manifest>> {
    return this.#current?.manifest() ?? { ok: false, problem: { code: 'handler.unreachable', detail: NOT_LOADED } }
  }

  async invoke(path: string, invocation: Invocation, options: InvokeOptions): Promise<HostReply> {
    return this.#current?.invoke(path, invocation, options) ?? unreachable(NOT_LOADED)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#watch.close()
    await this.#loading
    await this.#current?.close()
  }

  #reload(changed: string): void {
    this.#loading = this.#loading.then(() => this.#load(changed))
  }

  async #load(changed?: string): Promise<void> {
    if (this.#isClosed) return
    const thread: FunctionThread = new FunctionThread({
      ...this.#options,
      onFile: (file) => this.#watch.add(file),
      onEnd: () => this.#ended(thread),
    })
    const loaded = await thread.loaded
    if (!loaded.ok) {
      this.#options.onBroken(loaded.message, this.#current === undefined)
      await thread.close()
      return
    }
    void this.#current?.retire()
    this.#current = thread
    if (changed !== undefined) this.#options.onReload(changed)
  }

  /** By itself, and not because it was replaced: calls must go on. */
  #ended(thread: FunctionThread): void {
    if (thread !== this.#current) return
    this.#current = undefined
    this.#options.onStray('the functions have ended their thread (process.exit?); they are loaded anew')
    this.#reload(this.#options.file)
  }
}
