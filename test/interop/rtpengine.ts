import { randomUUID } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { eventually, Program } from './program.ts'

/** A port that is free now, of 127.0.0.1: rtpengine sends its DTMF log from there, whatever address it listens on. */
export async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

export interface RtpengineOptions {
  /** Where it listens for commands, on 127.0.0.1. */
  port: number
  /** Where its DTMF log goes, on 127.0.0.1. */
  dtmfPort: number
  /** Where media goes. */
  address: string
}

/** The real daemon, without its kernel module. */
export class Rtpengine {
  readonly url: string
  readonly program: Program
  readonly #options: RtpengineOptions

  private constructor(program: Program, options: RtpengineOptions) {
    this.url = `udp://127.0.0.1:${options.port}`
    this.program = program
    this.#options = options
  }

  static async start(options: RtpengineOptions): Promise<Rtpengine> {
    const { port, dtmfPort, address } = options
    const program = new Program('rtpengine', 'rtpengine', [
      ...['--config-file=none', '--table=-1', `--interface=${address}`, `--listen-ng=127.0.0.1:${port}`],
      ...[`--dtmf-log-dest=127.0.0.1:${dtmfPort}`, '--port-min=30000', '--port-max=30199', '--num-threads=2'],
      ...['--foreground', '--log-stderr', '--log-level=6'],
    ])
    const engine = new Rtpengine(program, options)
    await program.until(program.says(/Startup complete/))
    return engine
  }

  /** The call-ids that it has. */
  async calls(): Promise<string[]> {
    const answer = await this.#ask('d7:command4:liste')
    const calls: string[] = []
    let rest = answer.slice(answer.indexOf('5:callsl') + '5:callsl'.length)
    for (let head = /^(\d+):/.exec(rest); head; head = /^(\d+):/.exec(rest)) {
      const end = head[0].length + Number(head[1])
      calls.push(rest.slice(head[0].length, end))
      rest = rest.slice(end)
    }
    return calls
  }

  /** Waits until it has let go of every call. */
  async isIdle(): Promise<void> {
    await eventually('rtpengine without calls', async () => (await this.calls()).length === 0 || undefined)
  }

  async #ask(command: string): Promise<string> {
    const socket = createSocket('udp4')
    // What has a cookie that it knows gets the same answer again.
    socket.send(`${randomUUID()} ${command}`, this.#options.port, '127.0.0.1')
    const [answer] = (await once(socket, 'message', { signal: AbortSignal.timeout(5000) })) as [Buffer]
    socket.close()
    return answer.toString('latin1')
  }

  /** Without any goodbye. */
  async kill(): Promise<void> {
    this.program.signal('SIGKILL')
    await this.program.exited
  }

  async stop(): Promise<void> {
    await this.program.stop()
  }
}

/** Where a phone takes its media: counts what comes, and from where. */
export class Microphone {
  readonly port: number
  readonly #socket: Socket
  readonly #from = new Map<string, number>()
  /** RTP packets by payload type. */
  readonly packets = new Map<number, number>()

  private constructor(socket: Socket) {
    this.#socket = socket
    this.port = socket.address().port
    socket.on('message', (octets, { address }) => {
      this.#from.set(address, (this.#from.get(address) ?? 0) + 1)
      const type = octets[1]! & 0x7f
      this.packets.set(type, (this.packets.get(type) ?? 0) + 1)
    })
  }

  static async open(address: string): Promise<Microphone> {
    const socket = createSocket('udp4').bind(0, address)
    await once(socket, 'listening')
    return new Microphone(socket)
  }

  /** Whoever has sent something. */
  get senders(): string[] {
    return [...this.#from.keys()]
  }

  async has(type: number, count: number): Promise<void> {
    await eventually(`${count} packets of type ${type}`, () => (this.packets.get(type) ?? 0) >= count || undefined)
  }

  async stop(): Promise<void> {
    this.#socket.close()
  }
}
