import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'

/**
 * The event socket of a FreeSWITCH, as its documentation has it, octet by octet: nothing before `auth`, commands end with an empty line,
 * answers come in the order of the commands, events in between.
 * @see https://developer.signalwire.com/freeswitch/FreeSWITCH-Explained/Modules/mod_event_socket_1048924/
 */
export class FakeSwitch {
  readonly password: string
  /** Every command of every client, in order. */
  readonly commands: string[] = []
  /** Call-ID of channels, for `uuid_getvar`; those that are known can be killed. */
  readonly channels = new Map<string, string>()
  /** Octets that go out at once; absent: as they come. */
  chunk: number | undefined
  #server: Server | undefined
  #clients = new Set<Client>()
  #port = 0
  #sequence = 0

  constructor(password = 'ClueCon') {
    this.password = password
  }

  get port(): number {
    return this.#port
  }

  /** Clients that hear events. */
  get subscribed(): number {
    return [...this.#clients].filter(({ format }) => format !== undefined).length
  }

  async start(port = this.#port, host = '127.0.0.1'): Promise<this> {
    this.#server = createServer((socket) => this.#accept(socket)).listen(port, host)
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as { port: number }).port
    return this
  }

  async stop(): Promise<void> {
    for (const { socket } of this.#clients) socket.destroy()
    this.#server?.close()
    await new Promise(setImmediate)
  }

  /** An event to whoever wants it. */
  raise(name: string, headers: Record<string, string> = {}): void {
    this.#sequence++
    const event = { 'Event-Name': name, 'Core-UUID': 'core-1', 'Event-Sequence': String(this.#sequence), ...headers }
    for (const client of this.#clients) if (client.wants(name, headers['Event-Subclass'])) client.event(event)
  }

  disconnects(linger = false): void {
    const body = 'Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n'
    const disposition = linger
      ? 'Content-Disposition: linger\nChannel-Name: sofia/internal/1000\nLinger-Time: 10\n'
      : 'Content-Disposition: disconnect\n'
    for (const { socket } of this.#clients) {
      socket.write(
        `Content-Type: text/disconnect-notice\nControlled-Session-UUID: 1\n${disposition}Content-Length: ${body.length}\n\n${body}`,
      )
      if (!linger) socket.end()
    }
  }

  #accept(socket: Socket): void {
    const client = new Client(socket, this)
    this.#clients.add(client)
    socket.on('error', () => {})
    socket.on('close', () => this.#clients.delete(client))
  }
}

class Client {
  readonly socket: Socket
  format: 'plain' | 'json' | undefined
  readonly #switch: FakeSwitch
  readonly #names = new Set<string>()
  readonly #subclasses = new Set<string>()
  #isIn = false
  #rest = ''

  constructor(socket: Socket, owner: FakeSwitch) {
    this.socket = socket
    this.#switch = owner
    socket.setNoDelay(true)
    this.#say('Content-Type: auth/request\n\n')
    socket.on('data', (data) => {
      this.#rest += data.toString()
      for (let end = this.#rest.indexOf('\n\n'); end >= 0; end = this.#rest.indexOf('\n\n')) {
        const command = this.#rest.slice(0, end)
        this.#rest = this.#rest.slice(end + 2)
        owner.commands.push(command)
        this.#take(command)
      }
    })
  }

  wants(name: string, subclass: string | undefined): boolean {
    if (this.format === undefined) return false
    return name === 'CUSTOM' ? this.#subclasses.has(subclass ?? '') : this.#names.has(name) || this.#names.has('ALL')
  }

  event(headers: Record<string, string>): void {
    const body =
      this.format === 'json'
        ? JSON.stringify(headers)
        : `${Object.entries(headers)
            .map(([name, value]) => `${name}: ${encodeURIComponent(value)}`)
            .join('\n')}\n\n`
    this.#say(`Content-Length: ${Buffer.byteLength(body)}\nContent-Type: text/event-${this.format}\n\n${body}`)
  }

  #take(command: string): void {
    const [verb = '', ...args] = command.split(' ')
    if (!this.#isIn) {
      if (verb !== 'auth' && verb !== 'userauth') return this.#reply('-ERR command not found')
      this.#isIn = args.join(' ') === this.#switch.password
      this.#reply(this.#isIn ? '+OK accepted' : '-ERR invalid')
      if (!this.#isIn) this.socket.end()
      return
    }
    if (verb === 'event') return this.#subscribe(args)
    if (verb === 'api') return this.#api(args)
    this.#reply('-ERR command not found')
  }

  #subscribe([format, ...names]: string[]): void {
    if (format !== 'plain' && format !== 'json') return this.#reply('-ERR no keywords supplied')
    this.format = format
    const custom = names.indexOf('CUSTOM')
    for (const name of custom < 0 ? names : names.slice(0, custom)) this.#names.add(name)
    for (const subclass of custom < 0 ? [] : names.slice(custom + 1)) this.#subclasses.add(subclass)
    this.#reply(`+OK event listener enabled ${format}`)
  }

  #api([name, uuid = '', last = '']: string[]): void {
    const callId = this.#switch.channels.get(uuid)
    if (name === 'uuid_getvar') return this.#answer(callId === undefined ? '-ERR No such channel!\n' : callId)
    if (name === 'uuid_kill') {
      if (callId === undefined) return this.#answer('-ERR No such channel!\n')
      this.#switch.channels.delete(uuid)
      this.#answer('+OK\n')
      return this.#switch.raise('CHANNEL_HANGUP_COMPLETE', { 'Unique-ID': uuid, 'Hangup-Cause': last })
    }
    this.#answer(`-ERR ${name} command not found!\n`)
  }

  #reply(text: string): void {
    this.#say(`Content-Type: command/reply\nReply-Text: ${text}\n\n`)
  }

  #answer(body: string): void {
    this.#say(`Content-Type: api/response\nContent-Length: ${Buffer.byteLength(body)}\n\n${body}`)
  }

  #say(text: string): void {
    const octets = Buffer.from(text)
    const size = this.#switch.chunk ?? octets.length
    for (let at = 0; at < octets.length; at += size) this.socket.write(octets.subarray(at, at + size))
  }
}
