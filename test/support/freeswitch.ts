import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'

/** Names of events that this FreeSWITCH knows; there are more. */
const EVENTS = new Set([
  ...['CUSTOM', 'CHANNEL_CREATE', 'CHANNEL_DESTROY', 'CHANNEL_STATE', 'CHANNEL_CALLSTATE', 'CHANNEL_ANSWER'],
  ...['CHANNEL_HANGUP', 'CHANNEL_HANGUP_COMPLETE', 'CHANNEL_EXECUTE', 'CHANNEL_EXECUTE_COMPLETE', 'CHANNEL_HOLD'],
  ...['CHANNEL_UNHOLD', 'CHANNEL_BRIDGE', 'CHANNEL_UNBRIDGE', 'CHANNEL_PROGRESS', 'CHANNEL_PROGRESS_MEDIA'],
  ...['CHANNEL_OUTGOING', 'CHANNEL_PARK', 'CHANNEL_UNPARK', 'CHANNEL_ORIGINATE', 'CHANNEL_UUID', 'DTMF', 'HEARTBEAT'],
  ...['BACKGROUND_JOB', 'RECV_INFO', 'PLAYBACK_START', 'PLAYBACK_STOP', 'RECORD_START', 'RECORD_STOP', 'ALL'],
])
const GOODBYE = 'Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n'
const GO_AWAY = 'Access Denied, go away.\n'

type Values = Readonly<Record<string, string | readonly string[]>>

/**
 * The event socket of a FreeSWITCH, octet by octet as its documentation and what it is seen to send have it: nothing before `auth`, commands
 * end with an empty line, answers come in the order of the commands, events in between.
 * @see https://developer.signalwire.com/freeswitch/FreeSWITCH-Explained/Modules/mod_event_socket_1048924/
 */
export class FakeSwitch {
  readonly password: string
  /** Each has one of its own, and another one after it has started again. */
  core = 'core-1'
  /** Every command of every client, in order. */
  readonly commands: string[] = []
  /** Call-ID of channels, for `uuid_getvar`, `undefined` of those that are no SIP; those that are known can be killed. */
  readonly channels = new Map<string, string | undefined>()
  /** Octets that go out at once; absent: as they come. */
  chunk: number | undefined
  /** Its ACL lets nobody in; as versions of today say it, or old ones. */
  rejects: 'text/rude-rejection' | 'rude/rejection' | undefined
  /** Events that a user (`esl-allowed-events`) is not allowed. */
  readonly denied = new Set<string>()
  /** It hears what it is told, and says nothing at all. */
  isMute = false
  /** What happens before each answer. */
  beforeAnswer: () => void = () => {}
  /** How often somebody has connected. */
  connects = 0
  #server: Server | undefined
  readonly #clients = new Set<Client>()
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

  /** Clients that are connected. */
  get connected(): number {
    return this.#clients.size
  }

  /** Octets for clients that these have not taken. */
  get unread(): number {
    return [...this.#clients].reduce((sum, { socket }) => sum + socket.writableLength, 0)
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
  raise(name: string, headers: Values = {}, body = ''): void {
    this.#sequence++
    const event = { 'Event-Name': name, 'Core-UUID': this.core, 'Event-Sequence': String(this.#sequence), ...headers }
    for (const client of this.#clients)
      if (client.wants(name, String(headers['Event-Subclass']))) client.event(event, body)
  }

  /** Whatever, to everybody. */
  sends(text: string): void {
    for (const client of this.#clients) client.say(text)
  }

  /** @param linger the connection stays for a while */
  disconnects(linger = false): void {
    for (const client of this.#clients) client.disconnect(linger)
  }

  #accept(socket: Socket): void {
    this.connects++
    const client = new Client(socket, this)
    this.#clients.add(client)
    socket.on('error', () => {})
    socket.on('close', () => this.#clients.delete(client))
    client.greet()
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
    socket.on('data', (data) => this.#hear(data.toString()))
  }

  greet(): void {
    const { rejects } = this.#switch
    if (rejects === undefined) return this.say('Content-Type: auth/request\n\n')
    // Old versions have no colon after Content-Length.
    const length =
      rejects === 'rude/rejection' ? `Content-Length ${GO_AWAY.length}` : `Content-Length: ${GO_AWAY.length}`
    this.say(`Content-Type: ${rejects}\n${length}\n\n${GO_AWAY}`)
    this.socket.end()
  }

  wants(name: string, subclass: string): boolean {
    return name === 'CUSTOM' ? this.#subclasses.has(subclass) : this.#names.has(name) || this.#names.has('ALL')
  }

  event(headers: Values, body: string): void {
    const text = this.format === 'json' ? jsonEvent(headers, body) : plainEvent(headers, body)
    this.say(`Content-Length: ${Buffer.byteLength(text)}\nContent-Type: text/event-${this.format}\n\n${text}`)
  }

  disconnect(linger = false): void {
    const notice = 'Content-Type: text/disconnect-notice\n'
    const session = 'Controlled-Session-UUID: 78b86350-4fae-4fb4-8f0c-1d6a0dc0a2b4\nContent-Disposition: linger\n'
    if (linger) return this.say(`${notice}${session}Channel-Name: sofia/x/1000\nLinger-Time: 10\nContent-Length: 0\n\n`)
    this.say(`${notice}Content-Length: ${GOODBYE.length}\n\n${GOODBYE}`)
    this.socket.end()
  }

  say(text: string): void {
    if (this.#switch.isMute || this.socket.writableEnded) return
    const octets = Buffer.from(text)
    const size = this.#switch.chunk ?? octets.length
    for (let at = 0; at < octets.length; at += size) this.socket.write(octets.subarray(at, at + size))
  }

  #hear(text: string): void {
    this.#rest += text
    for (let end = this.#rest.indexOf('\n\n'); end >= 0; end = this.#rest.indexOf('\n\n')) {
      const command = this.#rest.slice(0, end)
      this.#rest = this.#rest.slice(end + 2)
      this.#switch.commands.push(command)
      this.#take(command)
    }
  }

  #take(command: string): void {
    const [verb = '', ...args] = command.split('\n', 1)[0]!.split(' ')
    if (verb === 'exit') {
      this.#reply('+OK bye')
      return this.disconnect()
    }
    if (!this.#isIn) return this.#logIn(verb, args)
    if (verb === 'event') return this.#subscribe(args)
    if (verb === 'api') return this.#api(args)
    if (verb === 'linger') return this.#reply('-ERR not controlling a session')
    this.#reply('-ERR command not found')
  }

  #logIn(verb: string, args: string[]): void {
    if (verb !== 'auth' && verb !== 'userauth') return this.#reply('-ERR command not found')
    this.#isIn = args.join(' ') === this.#switch.password
    if (!this.#isIn) {
      this.#reply('-ERR invalid')
      return this.disconnect()
    }
    const rights = verb === 'auth' ? '' : '\nAllowed-Events: all\nAllowed-API: all\nAllowed-LOG: true'
    this.#reply(`+OK accepted${rights}`)
  }

  /** Names that it does not know are passed over; all that follow CUSTOM are subclasses. */
  #subscribe([format, ...names]: string[]): void {
    if (format !== 'plain' && format !== 'json') return this.#reply('-ERR no keywords supplied')
    this.format = format
    let known = 0
    let isCustom = false
    for (const name of names) {
      if (isCustom) this.#subclasses.add(name)
      else if (EVENTS.has(name)) {
        if (this.#switch.denied.has(name)) return this.#reply('-ERR permission denied')
        known++
        this.#names.add(name)
        isCustom = name === 'CUSTOM'
      }
    }
    this.#reply(known > 0 ? `+OK event listener enabled ${format}` : '-ERR no keywords supplied')
  }

  #api([name, uuid = '', last = '']: string[]): void {
    const { channels } = this.#switch
    if (name === 'version') return this.#answer('FreeSWITCH Version 1.10.12-release~64bit (-release 64bit)\n')
    if (name !== 'uuid_getvar' && name !== 'uuid_kill') return this.#answer(`-ERR ${name} Command not found!\n`)
    if (!channels.has(uuid)) return this.#answer('-ERR No such channel!\n')
    if (name === 'uuid_getvar') return this.#answer(channels.get(uuid) ?? '_undef_')
    const callId = channels.get(uuid) ?? ''
    channels.delete(uuid)
    this.#answer('+OK\n')
    const variables = { 'Unique-ID': uuid, 'Hangup-Cause': last, variable_sip_call_id: callId }
    for (const event of ['CHANNEL_HANGUP', 'CHANNEL_HANGUP_COMPLETE', 'CHANNEL_DESTROY'])
      this.#switch.raise(event, variables)
  }

  #reply(text: string): void {
    this.#switch.beforeAnswer()
    this.say(`Content-Type: command/reply\nReply-Text: ${text}\n\n`)
  }

  #answer(body: string): void {
    this.#switch.beforeAnswer()
    this.say(`Content-Type: api/response\nContent-Length: ${Buffer.byteLength(body)}\n\n${body}`)
  }
}

function jsonEvent(headers: Values, body: string): string {
  const more = body === '' ? {} : { 'Content-Length': String(Buffer.byteLength(body)), _body: body }
  return JSON.stringify({ ...headers, ...more })
}

function plainEvent(headers: Values, body: string): string {
  const lines = Object.entries(headers).map(([name, value]) => {
    const text = typeof value === 'string' ? value : `ARRAY::${value.join('|:')}`
    return `${name}: ${encodeURIComponent(text)}\n`
  })
  const rest = body === '' ? '\n' : `Content-Length: ${Buffer.byteLength(body)}\n\n${body}`
  return lines.join('') + rest
}
