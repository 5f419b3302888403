import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

/** How long anything is waited for that is sure to come, on a machine that has much else to do. Milliseconds. */
export const PATIENCE_MS = 20_000

/** What a program has said and when it ends; every wait has a deadline and fails with what was said. */
export class Program {
  readonly name: string
  readonly exited: Promise<{ code: number | null; signal: string | null }>
  readonly #child: ChildProcess
  readonly #listeners = new Set<() => void>()
  readonly #read = new Map<string, number>()
  #output = ''
  #skipped = 0
  #running = true

  constructor(name: string, command: string, args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
    this.name = name
    // A process group of its own: what it forks can be ended with it.
    this.#child = spawn(command, args, { ...options, stdio: 'pipe', detached: true })
    running.add(this)
    this.exited = this.#end()
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (data: Buffer) => this.#hear(data))
    this.#child.stdin?.on('error', () => {})
  }

  /** Everything said so far, both streams, in order of arrival. */
  get output(): string {
    return this.#output
  }

  get isRunning(): boolean {
    return this.#running
  }

  send(line: string): void {
    this.#child.stdin?.write(`${line}\n`)
  }

  /** SIGKILL ends all that it has forked as well, which nobody else would when it is gone. */
  signal(name: NodeJS.Signals): void {
    const { pid } = this.#child
    if (!this.#running || pid === undefined) return
    try {
      process.kill(name === 'SIGKILL' ? -pid : pid, name)
    } catch {
      // It has ended a moment ago.
    }
  }

  /**
   * The next place in the output that matches, from where the last wait for the same pattern ended.
   * @param deadlineMs milliseconds until the wait fails; it fails at once when the program ends without having said it
   */
  async says(pattern: RegExp, deadlineMs = PATIENCE_MS): Promise<RegExpExecArray> {
    const found = await until(
      () => this.#match(pattern),
      deadlineMs,
      (wake) => this.#onChange(wake),
      () => !this.#running,
    )
    if (found) return found
    const why = this.#running ? `within ${deadlineMs} ms` : 'and has ended'
    throw new Error(`${this.name} did not say ${pattern} ${why}:\n${this.#output.slice(-6_000)}`)
  }

  /** Forgets what was said until now: the next `says` looks only at what comes after. */
  skip(): void {
    this.#skipped = this.#output.length
  }

  /** Waits for its end, and brings it about after `ms`. */
  async endsWithin(ms: number): Promise<{ code: number | null; signal: string | null }> {
    const insist = setTimeout(() => this.signal('SIGKILL'), ms)
    const end = await this.exited
    clearTimeout(insist)
    return end
  }

  /** Asks the program to end, insists after three seconds, and returns when it is gone. */
  async stop(): Promise<void> {
    this.signal('SIGTERM')
    await this.endsWithin(3_000)
  }

  /** Waits for `ready`; when that fails the program is stopped, so that nobody is left running. */
  async until<T>(ready: Promise<T>): Promise<T> {
    try {
      return await ready
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  async #end(): Promise<{ code: number | null; signal: string | null }> {
    try {
      const [code, signal] = (await once(this.#child, 'close')) as [number | null, string | null]
      return { code, signal }
    } catch (error) {
      this.#output += String(error)
      return { code: null, signal: null }
    } finally {
      this.#running = false
      running.delete(this)
      this.#changed()
    }
  }

  #hear(data: Buffer): void {
    this.#output += data.toString('latin1')
    this.#changed()
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }

  #onChange(wake: () => void): () => void {
    this.#listeners.add(wake)
    return () => this.#listeners.delete(wake)
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    const from = Math.max(this.#skipped, this.#read.get(pattern.source) ?? 0)
    const found = pattern.exec(this.#output.slice(from))
    if (found) this.#read.set(pattern.source, from + found.index + found[0].length)
    return found ?? undefined
  }
}

const running = new Set<Program>()
process.on('exit', () => {
  for (const program of running) program.signal('SIGKILL')
})
// A test file that takes too long is told to end: what it has started must not outlive it.
process.once('SIGTERM', () => process.exit(143))
process.once('SIGINT', () => process.exit(130))

/**
 * Tries `find` now and whenever `subscribe`'s callback is called.
 * @returns what was found; undefined when `deadlineMs` has passed or `isOver` says that nothing more can come
 */
export function until<T>(
  find: () => T | undefined,
  deadlineMs: number,
  subscribe: (wake: () => void) => () => void,
  isOver: () => boolean = () => false,
): Promise<T | undefined> {
  return new Promise((resolve) => {
    const finish = (value: T | undefined) => {
      clearTimeout(timer)
      unsubscribe()
      resolve(value)
    }
    const look = () => {
      const found = find()
      if (found !== undefined || isOver()) finish(found)
    }
    const timer = setTimeout(() => finish(undefined), deadlineMs)
    const unsubscribe = subscribe(look)
    look()
  })
}

/** Asks `probe` every 20 ms: for outside state that sends no event (a socket of the kernel, an HTTP answer). */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
  deadlineMs = PATIENCE_MS,
): Promise<T> {
  const end = performance.now() + deadlineMs
  for (;;) {
    const found = await probe()
    if (found !== undefined) return found
    if (performance.now() > end) throw new Error(`${what}: not within ${deadlineMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
