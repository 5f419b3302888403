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

interface Call {
  id: string
  state: string
}

/** The router as a process of its own, as a user starts it. */
export class Gateway {
  readonly address: string
  /** host:port of SIP. */
  readonly router: string
  readonly program: Program
  readonly #blamed = new Set<string>()

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

  /** The sum of a metric over its labels. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(this.url('/metrics'))).text()
    const lines = text.split('\n').filter((line) => line.startsWith(name))
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
  }

  /** Raises an event from outside. */
  async publish(event: Record<string, unknown>): Promise<Response> {
    const headers = { 'content-type': 'application/json' }
    return fetch(this.url('/events'), { method: 'POST', headers, body: JSON.stringify(event) })
  }

  /**
   * Waits until no call is alive: every scenario ends with it, so that nothing that leaks goes unseen. A call that is left fails the
   * scenario it was left by, and none of the later ones.
   */
  async isIdle(): Promise<void> {
    let alive: Call[] = []
    const look = async () => {
      const { calls } = (await this.get('/calls?limit=1000')) as { calls: Call[] }
      alive = calls.filter(({ id, state }) => state !== 'ended' && !this.#blamed.has(id))
      return alive.length === 0 || undefined
    }
    await eventually('no call alive', look, 5_000).catch(() => this.#failWith(alive))
  }

  /** Ends it: it must be alive and well until now, leave nothing behind, and end by itself when it is told to. */
  async stop(): Promise<void> {
    try {
      assert.ok(this.program.isRunning, `the gateway ended by itself:\n${this.program.output.slice(-6_000)}`)
      await this.isIdle()
      this.program.signal('SIGTERM')
      const { code } = await this.program.endsWithin(5_000)
      assert.equal(code, 0, `the gateway ended with ${code}:\n${this.program.output.slice(-6_000)}`)
    } finally {
      await this.program.stop()
    }
  }

  async #failWith(alive: Call[]): Promise<never> {
    for (const { id } of alive) this.#blamed.add(id)
    const details = await Promise.all(alive.map(({ id }) => this.get(`/calls/${id}`)))
    assert.fail(`calls are still alive: ${JSON.stringify(details, null, 2)}`)
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
