import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { listening, temporaryDirectory } from './network.ts'
import { eventually, PATIENCE_MS, Program } from './program.ts'
import { type Step, scenarioOf } from './sipp-steps.ts'

export interface SippOptions {
  /** Who this end is, for messages. */
  name: string
  steps: readonly Step[]
  transport: 'udp' | 'tcp'
  /** Address of this end. */
  address: string
  /** Default 5060. */
  port?: number
  /** host:port of the router. */
  router: string
  /** Host part of every address of record. */
  domain: string
  /** User part of the Request-URI and To, default `bob`. */
  service?: string
  /** User part of From, default `alice`. */
  caller?: string
  /** Answers INFO and OPTIONS by itself, wherever the scenario stands: they may come together with what it waits for. */
  answersByItself?: boolean
  /** Number of calls, default 1. */
  calls?: number
  /** Milliseconds until the program gives up, default PATIENCE_MS. */
  deadlineMs?: number
}

export interface SippResult {
  successful: number
  failed: number
  /** What sipp wrote into its error log; empty when all went as the scenario says. */
  errors: string
  /** Every message sent and received, in order, as sipp logged it. */
  messages: string
}

/** One end of a call, played by sipp: the scenario decides what must come and what is sent. */
export class Sipp {
  readonly program: Program
  readonly #directory: string

  private constructor(program: Program, directory: string) {
    this.program = program
    this.#directory = directory
  }

  /** Starts it; one that first receives a request listens when this returns. */
  static async start(options: SippOptions): Promise<Sipp> {
    const directory = temporaryDirectory('sipp')
    writeFileSync(join(directory, 'scenario.xml'), scenarioOf(options.steps))
    const program = new Program(`sipp as ${options.name}`, 'sipp', args(options), { cwd: directory })
    if (options.steps[0]?.startsWith('<recv')) await listening(options.transport, options.address, options.port ?? 5060)
    return new Sipp(program, directory)
  }

  /** Waits until the program ends. */
  async ends(): Promise<SippResult> {
    await this.program.exited
    const count = (title: string) =>
      Number(this.program.output.match(new RegExp(`${title}\\s*\\|[^|]*\\|\\s*(\\d+)`))?.[1] ?? 0)
    return {
      successful: count('Successful call'),
      failed: count('Failed call'),
      errors: this.#read('errors.log'),
      messages: this.messages,
    }
  }

  /** Waits until the program ends; throws, with the messages of this end, unless every call went as its scenario says. */
  async succeeds(): Promise<SippResult> {
    const { code } = await this.program.exited
    const result = await this.ends()
    if (code === 0 && result.failed === 0 && result.successful > 0) return result
    throw new Error(
      `${this.program.name} ended with ${code}:\n${result.errors || this.program.output}\n${result.messages}`,
    )
  }

  /** Waits until this end has sent or received a message that matches. */
  async has(pattern: RegExp): Promise<void> {
    await eventually(`${this.program.name}: ${pattern}`, () => pattern.test(this.messages) || undefined)
  }

  get messages(): string {
    return this.#read('messages.log')
  }

  #read(name: string): string {
    try {
      return readFileSync(join(this.#directory, name), 'latin1')
    } catch {
      return ''
    }
  }
}

/** Starts one end and waits for its success. */
export async function play(options: SippOptions): Promise<SippResult> {
  return (await Sipp.start(options)).succeeds()
}

function args({
  answersByItself,
  router,
  address,
  port,
  transport,
  calls,
  service,
  domain,
  caller,
  deadlineMs,
}: SippOptions): string[] {
  const seconds = Math.ceil((deadlineMs ?? PATIENCE_MS) / 1_000)
  return [
    ...[router, '-sf', 'scenario.xml', '-i', address, '-bind_local', '-p', String(port ?? 5060)],
    ...['-t', transport === 'udp' ? 'u1' : 't1', '-m', String(calls ?? 1), '-l', '50', '-nostdin', '-nd'],
    ...['-s', service ?? 'bob', '-key', 'domain', domain, '-key', 'caller', caller ?? 'alice'],
    ...['-timeout', `${seconds}s`, '-timeout_error', ...(answersByItself ? ['-aa'] : [])],
    ...['-trace_err', '-error_file', 'errors.log', '-trace_msg', '-message_file', 'messages.log'],
  ]
}
