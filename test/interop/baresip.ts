import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { listening, temporaryDirectory } from './network.ts'
import { PATIENCE_MS, Program, until } from './program.ts'
import { readWav, secondsOf } from './wav.ts'

export interface BaresipOptions {
  user: string
  /** Host part of the address of record. */
  domain: string
  transport: 'udp' | 'tcp' | 'tls'
  /** Over TLS: file with the root that it trusts. */
  caFile?: string
  /** Address of this phone. */
  address: string
  /** SIP port, default 5060; RTP and the control port are derived from it. It needs `port + 1` too. */
  port?: number
  /** The tone that this phone sends, in Hz. */
  tone: number
  /** Where requests go when the domain is not the router's address: a SIP URI. */
  outbound?: string
  /** Whom `message` writes to. */
  friend?: string
  /** Further account parameters, such as `sipnat=outbound` or `regq=0.5`. */
  account?: string
}

/** An event of baresip's control interface: `CALL_ESTABLISHED`, `CALL_CLOSED`, `REGISTER_OK`, … */
export interface BaresipEvent {
  type: string
  peeruri?: string
  id?: string
  param?: string
}

/** A headless baresip: driven over its TCP control interface, sends a tone, records what it hears. */
export class Baresip {
  readonly uri: string
  /** The tone that this phone sends, in Hz. */
  readonly tone: number
  readonly program: Program
  readonly #directory: string
  readonly #control: Control

  private constructor(options: BaresipOptions, program: Program, directory: string, control: Control) {
    this.uri = `sip:${options.user}@${options.domain}`
    this.tone = options.tone
    this.program = program
    this.#directory = directory
    this.#control = control
  }

  /** Starts the phone and returns once it is registered. */
  static async start(options: BaresipOptions): Promise<Baresip> {
    const directory = temporaryDirectory(`baresip-${options.user}`)
    const port = options.port ?? 5060
    mkdirSync(join(directory, 'sound'))
    writeFileSync(join(directory, 'config'), config(options, port, directory))
    writeFileSync(join(directory, 'accounts'), account(options))
    writeFileSync(join(directory, 'contacts'), options.friend ? `"Friend" <${options.friend}>\n` : '')
    const program = new Program(`baresip ${options.user}`, 'baresip', ['-4', '-s', '-f', directory])
    const control = await program.until(Baresip.#ready(program, options.address, controlPort(port)))
    return new Baresip(options, program, directory, control)
  }

  static async #ready(program: Program, address: string, port: number): Promise<Control> {
    await program.says(/baresip is ready/)
    await listening('tcp', address, port)
    const control = await Control.connect(address, port)
    await program.says(/registered successfully/)
    return control
  }

  async call(uri: string): Promise<void> {
    await this.#control.command('dial', uri)
  }

  /** Answers the call that rings. */
  async answer(): Promise<void> {
    await this.#control.command('accept')
    await this.isEstablished()
  }

  /** Ends the call: BYE, CANCEL, or 486 when it still rings here. */
  async hangup(): Promise<void> {
    await this.#control.command('hangup')
  }

  /** Re-INVITE: the other end is not to send any more. */
  async hold(): Promise<void> {
    await this.#control.command('hold')
  }

  async resume(): Promise<void> {
    await this.#control.command('resume')
  }

  /** Sends a MESSAGE to the friend. */
  async message(text: string): Promise<void> {
    await this.#control.command('message', text)
  }

  /** Waits for a MESSAGE with that text. */
  async reads(text: string): Promise<void> {
    await this.program.says(new RegExp(`: "${text}"`))
  }

  /** Sends an OPTIONS request. */
  async options(uri: string): Promise<void> {
    await this.#control.command('options', uri)
  }

  /** The next event of that type, from where the last wait for this type ended. */
  event(type: string, deadlineMs = PATIENCE_MS): Promise<BaresipEvent> {
    return this.#control.event(type, deadlineMs).catch((error) => {
      throw new Error(`${this.program.name}: ${error.message}\n${this.program.output.slice(-6_000)}`)
    })
  }

  /** Waits for a call to be set up here: also one that was waiting for this phone, and comes before its control interface is listened to. */
  async rings(): Promise<void> {
    await this.program.says(/: Incoming call from:/)
  }

  /** Waits until the callee's phone is said to ring. */
  async hearsRinging(): Promise<void> {
    await this.event('CALL_RINGING')
  }

  async isEstablished(): Promise<void> {
    await this.event('CALL_ESTABLISHED')
  }

  /** Waits for the end of a call. @returns why, such as `486 Rejected` */
  async closes(): Promise<string> {
    return (await this.event('CALL_CLOSED')).param ?? ''
  }

  /** Seconds of a tone of `hz` in what was heard in the latest call. */
  heard(hz: number): number {
    const directory = join(this.#directory, 'sound')
    const recordings = readdirSync(directory).filter((name) => name.endsWith('-dec.wav'))
    const latest = recordings.sort().at(-1)
    return latest ? secondsOf(hz, readWav(join(directory, latest))) : 0
  }

  /** Unregisters and ends. */
  async stop(): Promise<void> {
    this.#control.close()
    await this.program.stop()
  }
}

function controlPort(port: number): number {
  return port + 2
}

function config({ address, tone, user, caFile }: BaresipOptions, port: number, directory: string): string {
  const rtp = 10_000 + (port % 200) * 100
  const lines = [
    'poll_method epoll',
    `sip_listen ${address}:${port}`,
    `net_interface ${address}`,
    ...(caFile ? [`sip_cafile ${caFile}`] : []),
    `rtp_ports ${rtp}-${rtp + 98}`,
    `audio_source ausine,${tone}`,
    `audio_player aubridge,${user}`,
    `audio_alert aubridge,${user}-alert`,
    'ausrc_srate 48000',
    'ausrc_channels 2',
    'auplay_srate 8000',
    'audio_buffer 20-160',
    'jitter_buffer_delay 1-5',
    'ringback_disabled yes',
    'call_local_timeout 60',
    'call_max_calls 8',
    `snd_path ${join(directory, 'sound')}`,
    `ctrl_tcp_listen ${address}:${controlPort(port)}`,
    'module_path /usr/lib/baresip/modules',
    ...['stdio', 'g711', 'sndfile', 'ausine', 'aubridge'].map((name) => `module ${name}.so`),
    ...['uuid', 'account'].map((name) => `module_tmp ${name}.so`),
    ...['menu', 'contact', 'ctrl_tcp'].map((name) => `module_app ${name}.so`),
  ]
  return `${lines.join('\n')}\n`
}

function account({ user, domain, transport, outbound, account }: BaresipOptions): string {
  const parameters = ['answermode=manual', 'regint=120', 'audio_codecs=pcmu']
  if (outbound) parameters.push(`outbound="${outbound}"`)
  if (account) parameters.push(account)
  return `<sip:${user}@${domain};transport=${transport}>;${parameters.join(';')}\n`
}

/** The control interface: JSON in netstrings, answers matched by their token, events kept in order. */
class Control {
  readonly #socket: Socket
  readonly #events: BaresipEvent[] = []
  readonly #answers = new Map<string, { ok: boolean; data?: string }>()
  readonly #listeners = new Set<() => void>()
  readonly #seen = new Map<string, number>()
  #rest = Buffer.alloc(0)
  #commands = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (data) => this.#read(data))
    socket.on('error', () => {})
  }

  static connect(address: string, port: number): Promise<Control> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, address, () => resolve(new Control(socket)))
      socket.once('error', reject)
    })
  }

  async command(command: string, params = ''): Promise<string> {
    const token = String(++this.#commands)
    const text = JSON.stringify({ command, params, token })
    this.#socket.write(`${Buffer.byteLength(text)}:${text},`)
    const answer = await until(
      () => this.#answers.get(token),
      PATIENCE_MS,
      (wake) => this.#onChange(wake),
    )
    if (!answer?.ok) throw new Error(`${command} ${params}: ${answer ? answer.data : 'no answer'}`)
    return answer.data ?? ''
  }

  async event(type: string, deadlineMs: number): Promise<BaresipEvent> {
    const next = () => this.#next(type)
    const event = await until(next, deadlineMs, (wake) => this.#onChange(wake))
    if (event) return event
    const seen = this.#events.map(({ type, param }) => `${type} ${param ?? ''}`).join(', ')
    throw new Error(`no ${type} within ${deadlineMs} ms; there were: ${seen}`)
  }

  close(): void {
    this.#socket.destroy()
  }

  #next(type: string): BaresipEvent | undefined {
    const from = this.#seen.get(type) ?? 0
    const index = this.#events.findIndex((event, i) => i >= from && event.type === type)
    if (index < 0) return undefined
    this.#seen.set(type, index + 1)
    return this.#events[index]
  }

  #read(data: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, data])
    for (let piece = this.#piece(); piece; piece = this.#piece()) this.#take(JSON.parse(piece))
    for (const listener of this.#listeners) listener()
  }

  #piece(): string | undefined {
    const colon = this.#rest.indexOf(':')
    if (colon < 0) return undefined
    const end = colon + 1 + Number(this.#rest.subarray(0, colon).toString('latin1'))
    if (this.#rest.length <= end) return undefined
    const piece = this.#rest.subarray(colon + 1, end).toString('utf8')
    this.#rest = this.#rest.subarray(end + 1)
    return piece
  }

  #take(message: { response?: boolean; token?: string; ok: boolean; data?: string; type: string }): void {
    if (message.response) this.#answers.set(message.token ?? '', message)
    else this.#events.push(message)
  }

  #onChange(wake: () => void): () => void {
    this.#listeners.add(wake)
    return () => this.#listeners.delete(wake)
  }
}
