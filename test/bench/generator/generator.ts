import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { cpuOf } from '../process-cpu.ts'
import type { Answer, Job, Question, Results, Start } from './protocol.ts'

/** Flags of Node itself are passed on, so that `node --cpu-prof test/bench/run.ts` profiles the generator too. */
const generatorFlags = process.execArgv
const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))

interface Pending {
  resolve: (result: unknown) => void
  reject: (error: Error) => void
}

/** A load generator process, seen from `run.ts`. */
export class Generator {
  readonly #child: ChildProcess
  readonly #pending = new Map<number, Pending>()
  #asked = 0

  private constructor() {
    this.#child = fork(MAIN, { execArgv: [...generatorFlags, '--disable-warning=ExperimentalWarning'] })
    this.#child.on('message', (answer: Answer) => this.#settle(answer))
    this.#child.on('exit', (code) => this.#died(code))
  }

  static async start(options: Start): Promise<Generator> {
    const generator = new Generator()
    await generator.#ask({ start: options })
    return generator
  }

  run<Name extends Job['job']>(job: Extract<Job, { job: Name }>): Promise<Results[Name]> {
    return this.#ask({ job }) as Promise<Results[Name]>
  }

  /** CPU it has used so far, microseconds. */
  get cpuUs(): number {
    return cpuOf(this.#child.pid!)
  }

  /** Resolves when it is gone, and its ports are free. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.disconnect()
    await gone
  }

  #ask(question: { start: Start } | { job: Job }): Promise<unknown> {
    const id = ++this.#asked
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#child.send({ id, ...question } satisfies Question)
    })
  }

  #settle(answer: Answer): void {
    const pending = this.#pending.get(answer.id)
    this.#pending.delete(answer.id)
    if ('error' in answer) pending?.reject(new Error(answer.error))
    else pending?.resolve(answer.result)
  }

  #died(code: number | null): void {
    for (const { reject } of this.#pending.values()) reject(new Error(`the load generator ended with code ${code}`))
    this.#pending.clear()
  }
}
