import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from './network.ts'
import { Program } from './program.ts'
import { readWav, secondsOf, writeTone } from './wav.ts'

export interface LinphoneOptions {
  user: string
  /** Host part of the address of record. */
  domain: string
  transport: 'udp' | 'tcp'
  /** Address of this phone. */
  address: string
  /** SIP port, default 5060. */
  port?: number
  /** Address (and port, default 5060) of the router. */
  proxy: string
  /** The tone that this phone sends, in Hz. */
  tone: number
}

/** A headless linphone: driven by the lines of its console, plays a tone from a file, records what it hears. */
export class Linphone {
  readonly uri: string
  /** The tone that this phone sends, in Hz. */
  readonly tone: number
  readonly program: Program
  readonly #directory: string
  #calls = 0

  private constructor(options: LinphoneOptions, program: Program, directory: string) {
    this.uri = `sip:${options.user}@${options.domain}`
    this.tone = options.tone
    this.program = program
    this.#directory = directory
  }

  /** Starts the phone and returns once it is registered. */
  static async start(options: LinphoneOptions): Promise<Linphone> {
    const directory = temporaryDirectory(`linphone-${options.user}`)
    const program = run(options, directory)
    const phone = new Linphone(options, program, directory)
    await program.until(phone.#register(options))
    return phone
  }

  async #register({ proxy, transport }: LinphoneOptions): Promise<void> {
    await this.program.says(/network reachability state is now \[UP\]/)
    this.program.send('soundcard use files')
    this.program.send(`register ${this.uri} sip:${proxy};transport=${transport}`)
    await this.program.says(/to \[LinphoneRegistrationOk\]/)
  }

  async call(uri: string): Promise<void> {
    this.program.send(`call ${uri}`)
  }

  /** Waits for a call to be set up here. */
  async rings(): Promise<void> {
    await this.#reaches('IncomingReceived')
  }

  async answer(): Promise<void> {
    this.program.send('answer')
    await this.isEstablished()
  }

  async isEstablished(): Promise<void> {
    await this.#reaches('StreamsRunning')
    this.program.send(`play ${join(this.#directory, 'tone.wav')}`)
    this.#calls += 1
    this.program.send(`record ${this.#recording()}`)
  }

  /** Waits until the callee's phone is said to ring. */
  async hearsRinging(): Promise<void> {
    await this.#reaches('OutgoingRinging')
  }

  /** Ends the call: BYE, CANCEL, or 603 when it still rings here. */
  async hangup(): Promise<void> {
    this.program.send('terminate')
  }

  /** Waits for the end of a call. */
  async closes(): Promise<void> {
    await this.#reaches('Released')
  }

  message(uri: string, text: string): void {
    this.program.send(`chat ${uri} ${text}`)
  }

  /** Waits for a MESSAGE with that text. */
  async reads(text: string): Promise<void> {
    await this.program.says(new RegExp(`Message received from.*${text}`, 's'))
  }

  /** Seconds of a tone of `hz` in what was heard in the latest call. */
  heard(hz: number): number {
    return existsSync(this.#recording()) ? secondsOf(hz, readWav(this.#recording())) : 0
  }

  /** Unregisters and ends. */
  async stop(): Promise<void> {
    this.program.send('quit')
    await this.program.endsWithin(3_000)
  }

  #recording(): string {
    return join(this.#directory, `heard-${this.#calls}.wav`)
  }

  async #reaches(state: string): Promise<void> {
    await this.program.says(new RegExp(`moving from state LinphoneCall\\w+ to LinphoneCall${state}\\b`))
  }
}

function run(options: LinphoneOptions, directory: string): Program {
  mkdirSync(join(directory, '.local/share/linphone'), { recursive: true })
  writeTone(join(directory, 'tone.wav'), options.tone, 20)
  writeFileSync(join(directory, 'linphonerc'), config(options))
  const env = { ...process.env, HOME: directory, XDG_DATA_HOME: '', XDG_CONFIG_HOME: '' }
  const args = ['-d', '6', '-c', join(directory, 'linphonerc')]
  return new Program(`linphone ${options.user}`, 'linphonec', args, { cwd: directory, env })
}

function config({ address, port, transport }: LinphoneOptions): string {
  const sipPort = port ?? 5060
  const lines = [
    '[sip]',
    `bind_address=${address}`,
    `sip_port=${transport === 'udp' ? sipPort : 0}`,
    `sip_tcp_port=${transport === 'tcp' ? sipPort : 0}`,
    'sip_tls_port=0',
    'guess_hostname=0',
    '[rtp]',
    'audio_rtp_port=-1',
  ]
  return `${lines.join('\n')}\n`
}
