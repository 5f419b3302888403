import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { host } from './network.ts'
import { eventually, Program } from './program.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface GatewayOptions {
  /** Module of routes, relative to the project; absent: the router's default. */
  functions?: string
  /** Default `example.com` and the gateway's address. */
  domains?: string[]
  /** Address it listens on, default `host(1)`; SIP on 5060 over UDP and TCP, HTTP on 8080. */
  address?: string
  /** Further environment, such as `PUSH_WEBHOOK_URL`. */
  env?: Record<string, string>
}

/** The router as a process of its own, as a user starts it. */
export class Gateway {
  readonly address: string
  /** host:port of SIP. */
  readonly router: string
  readonly program: Program

  private constructor(address: string, program: Program) {
    this.address = address
    this.router = `${address}:5060`
    this.program = program
  }

  /** Starts it and returns once it says that it is ready and answers on HTTP. */
  static async start(options: GatewayOptions = {}): Promise<Gateway> {
    const address = options.address ?? host(1)
    const program = new Program('gateway', process.execPath, ['gateway/main.ts'], {
      cwd: ROOT,
      env: environment(options, address),
    })
    const gateway = new Gateway(address, program)
    await program.until(eventually(`the gateway's ${gateway.url('/healthz')}`, () => gateway.#isHealthy(), 20_000))
    return gateway
  }

  url(path: string): string {
    return `http://${this.address}:8080${path}`
  }

  /** GET, as JSON. */
  async get(path: string): Promise<unknown> {
    const response = await fetch(this.url(path))
    assert.equal(response.status, 200, `GET ${path}: ${response.status}`)
    return response.json()
  }

  /** Raises an event from outside. */
  async publish(event: Record<string, unknown>): Promise<Response> {
    const headers = { 'content-type': 'application/json' }
    return fetch(this.url('/events'), { method: 'POST', headers, body: JSON.stringify(event) })
  }

  /** Waits until no call is left: every scenario ends with it, so that nothing that leaks goes unseen. */
  async isIdle(): Promise<void> {
    let last: unknown
    const look = async () => {
      last = await this.get('/calls')
      return listOf(last, 'calls').length === 0 || undefined
    }
    await eventually('no call left', look, 5_000).catch(() =>
      assert.fail(`calls left: ${JSON.stringify(last, null, 2)}`),
    )
  }

  /** Ends it: it must be alive and well until now, leave nothing behind, and end by itself when it is told to. */
  async stop(): Promise<void> {
    assert.ok(this.program.isRunning, `the gateway ended by itself:\n${this.program.output.slice(-6_000)}`)
    await this.isIdle()
    this.program.signal('SIGTERM')
    const { code } = await this.#endsWithin(10_000)
    assert.equal(code, 0, `the gateway ended with ${code}:\n${this.program.output.slice(-6_000)}`)
  }

  async #endsWithin(ms: number): Promise<{ code: number | null }> {
    const insist = setTimeout(() => this.program.signal('SIGKILL'), ms)
    const end = await this.program.exited
    clearTimeout(insist)
    return end
  }

  async #isHealthy(): Promise<true | undefined> {
    assert.ok(this.program.isRunning, `the gateway did not start:\n${this.program.output}`)
    const response = await fetch(this.url('/healthz')).catch(() => undefined)
    await response?.arrayBuffer()
    return response?.status === 200 || undefined
  }
}

function environment({ functions, domains, env }: GatewayOptions, address: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    SIP_LISTEN: `udp://${address}:5060,tcp://${address}:5060`,
    SIP_DOMAINS: (domains ?? [address, 'example.com']).join(','),
    HTTP_LISTEN: `${address}:8080`,
    LOG_LEVEL: 'debug',
    ...(functions ? { FUNCTIONS: functions } : {}),
    ...env,
  }
}

/** A listing of the API, bare or under its name. */
export function listOf(answer: unknown, name: string): unknown[] {
  const list = Array.isArray(answer) ? answer : (answer as Record<string, unknown>)[name]
  assert.ok(Array.isArray(list), `expected a list of ${name}, got ${JSON.stringify(answer)}`)
  return list
}
