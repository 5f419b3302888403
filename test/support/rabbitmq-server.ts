import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const pem = (name: string) => fileURLToPath(new URL(`tls/${name}.pem`, import.meta.url))

export interface RabbitOptions {
  /** AMQP; the ports above it are used, too. */
  port: number
}

/** A RabbitMQ of its own on the loopback, which may be killed and started again with what it has written. */
export class TestRabbit {
  readonly url: string
  readonly tlsUrl: string
  readonly #port: number
  readonly #directory = mkdtempSync(join(tmpdir(), 'rouse-rabbit-'))
  #child: ChildProcess | undefined
  #output = ''

  constructor({ port }: RabbitOptions) {
    this.#port = port
    this.url = `amqp://127.0.0.1:${port}`
    this.tlsUrl = `amqps://guest:guest@127.0.0.1:${port + 1}`
  }

  async start(): Promise<this> {
    const [directory, port] = [this.#directory, this.#port]
    const config = [
      'loopback_users = none',
      `listeners.tcp.1 = 127.0.0.1:${port}`,
      `listeners.ssl.1 = 127.0.0.1:${port + 1}`,
      `ssl_options.certfile = ${pem('sip-cert')}`,
      `ssl_options.keyfile = ${pem('sip-key')}`,
      'ssl_options.verify = verify_none',
      'log.console = true',
    ]
    writeFileSync(join(directory, 'rabbitmq.conf'), `${config.join('\n')}\n`)
    writeFileSync(join(directory, '.erlang.cookie'), 'rouse-tests')
    chmodSync(join(directory, '.erlang.cookie'), 0o400)
    const env = {
      ...process.env,
      HOME: directory,
      RABBITMQ_NODENAME: `rouse${port}@localhost`,
      RABBITMQ_CONFIG_FILE: join(directory, 'rabbitmq.conf'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'plugins'),
      RABBITMQ_MNESIA_BASE: join(directory, 'mnesia'),
      RABBITMQ_LOG_BASE: join(directory, 'log'),
      RABBITMQ_PID_FILE: join(directory, 'pid'),
      RABBITMQ_DIST_PORT: String(port + 2),
      ERL_EPMD_PORT: String(port + 3),
      ERL_EPMD_ADDRESS: '127.0.0.1',
    }
    const server = '/usr/lib/rabbitmq/bin/rabbitmq-server'
    const child = spawn(server, { env, cwd: directory, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    this.#child = child
    this.#output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => {
        this.#output += data
      })
    for (let tries = 0; tries < 300; tries++) {
      if (await answers(port)) return this
      if (child.exitCode !== null) break
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    await this.kill()
    throw new Error(`rabbitmq-server did not start:\n${this.#output.slice(-3000)}`)
  }

  /** Without any goodbye; what it had confirmed it has again when it is started again. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child?.pid === undefined || child.exitCode !== null) return
    const ended = once(child, 'close')
    process.kill(-child.pid, 'SIGKILL')
    await ended
  }

  async stop(): Promise<void> {
    await this.kill()
    // Its name server outlives it.
    const farewell = spawn('epmd', ['-port', String(this.#port + 3), '-kill'], { stdio: 'ignore' })
    farewell.on('error', () => {})
    await once(farewell, 'close')
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

export function startRabbit(options: RabbitOptions): Promise<TestRabbit> {
  return new TestRabbit(options).start()
}

/** Whether it speaks AMQP yet: it says which version it has. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port }, () => socket.write('AMQP\0\0\x09\x01'))
    socket.setTimeout(1000, () => socket.destroy())
    socket.once('data', () => {
      resolve(true)
      socket.destroy()
    })
    socket.on('error', () => {})
    socket.once('close', () => resolve(false))
  })
}
