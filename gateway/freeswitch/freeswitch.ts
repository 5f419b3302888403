import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Integration, IntegrationParts } from '../integration/integration.ts'
import { series } from '../observe/counters.ts'
import type { Network } from '../transport/types.ts'
import { Channels } from './channels.ts'
import { EslConnection } from './connection.ts'
import { eventIn, eventOf, type SwitchEvent } from './event.ts'
import type { Frame } from './frames.ts'
import type { EslServer, FreeswitchSettings } from './settings.ts'

export interface FreeswitchParts extends Omit<IntegrationParts, 'ids'> {
  network: Network
  /** An address of a name. */
  resolve(host: string): Promise<string>
}

/** Ends calls by their SIP Call-ID. */
export interface CallKiller {
  /** @returns false when nobody there has this call, or it cannot be said in time */
  kill(callId: string, cause: string): Promise<boolean>
}

/** Without these it would not know which call a channel belongs to. */
const NEEDED = ['CHANNEL_CREATE', 'CHANNEL_ANSWER', 'CHANNEL_DESTROY', 'HEARTBEAT']
const UUID = /^[0-9A-Fa-f-]{8,64}$/
/** Events whose channel is asked for, that are looked after at once; beyond that they are dropped. */
const MAX_ASKED = 1000

interface Server {
  name: string
  connection: EslConnection
  channels: Channels
  trouble: string | undefined
}

/** FreeSWITCH: what happens on its channels is raised here, and calls are ended there. */
export class Freeswitch implements Integration, CallKiller {
  readonly name = 'freeswitch'
  readonly #settings: FreeswitchSettings
  readonly #parts: FreeswitchParts
  readonly #wanted: ReadonlySet<string>
  readonly #servers: readonly Server[]
  #asked = 0

  constructor(settings: FreeswitchSettings, parts: FreeswitchParts) {
    this.#settings = settings
    this.#parts = parts
    this.#wanted = new Set(settings.events)
    this.#servers = settings.servers.map((server) => this.#open(server))
  }

  get health(): { isUp: boolean; text: string } {
    const away = this.#servers.filter(({ trouble }) => trouble !== undefined)
    if (away.length === 0) return { isUp: true, text: 'connected' }
    return {
      isUp: away.length < this.#servers.length,
      text: away.map(({ name, trouble }) => `${name} away: ${trouble}`).join('; '),
    }
  }

  start(): void {
    for (const { connection } of this.#servers) connection.start()
  }

  stop(): void {
    for (const { connection } of this.#servers) connection.stop()
  }

  async kill(callId: string, cause: string): Promise<boolean> {
    const killed = await Promise.all(this.#servers.map((server) => this.#killAt(server, callId, cause)))
    return killed.includes(true)
  }

  async #killAt({ channels, connection }: Server, callId: string, cause: string): Promise<boolean> {
    const replies = await Promise.all(
      channels.uuids(callId).map((uuid) => connection.api(`uuid_kill ${uuid} ${cause}`)),
    )
    return replies.some((reply) => reply?.startsWith('+OK'))
  }

  #open(address: EslServer): Server {
    const { network, resolve, clock, random } = this.#parts
    const { events, subclasses } = this.#settings
    const names = [...new Set([...events, ...NEEDED])]
    const custom = subclasses.length > 0 ? ` CUSTOM ${subclasses.join(' ')}` : ''
    const server: Server = {
      name: `${address.host}:${address.port}`,
      channels: new Channels(),
      trouble: 'not yet reached',
      connection: new EslConnection({
        ...{ server: address, network, resolve, clock, random },
        events: `json ${names.join(' ')}${custom}`,
        told: (trouble) => this.#told(server, trouble),
        heard: (frame) => this.#heard(server, frame),
      }),
    }
    return server
  }

  #told(server: Server, trouble: string | undefined): void {
    if (server.trouble === trouble) return
    server.trouble = trouble
    const { log } = this.#parts
    if (trouble === undefined) log.info('FreeSWITCH is there', { server: server.name })
    else log.warn('FreeSWITCH is away', { server: server.name, reason: trouble })
  }

  #heard(server: Server, frame: Frame): void {
    const event = eventIn(frame)
    if (!event) return this.#parts.counters.count(series('freeswitch_events', { result: 'unreadable' }))
    const uuid = event.get('Unique-ID')
    const said = event.get('variable_sip_call_id')
    if (said !== '' && uuid !== '') server.channels.learn(uuid, said)
    if (event.name === 'CUSTOM' || this.#wanted.has(event.name)) {
      const callId = said || server.channels.callId(uuid)
      if (callId !== undefined) this.#raise(event, callId)
      else if (UUID.test(uuid)) void this.#ask(server, uuid, event)
      else this.#raise(event, '')
    }
    if (event.name === 'CHANNEL_DESTROY') server.channels.forget(uuid)
  }

  /** A channel that is older than the connection. */
  async #ask({ connection, channels }: Server, uuid: string, event: SwitchEvent): Promise<void> {
    if (this.#asked >= MAX_ASKED) return this.#parts.counters.count(series('freeswitch_events', { result: 'dropped' }))
    this.#asked++
    const reply = await connection.api(`uuid_getvar ${uuid} sip_call_id`)
    this.#asked--
    const callId = reply === undefined || reply === '_undef_' || reply.startsWith('-ERR') ? '' : reply
    if (callId !== '') channels.learn(uuid, callId)
    this.#raise(event, callId)
  }

  #raise(event: SwitchEvent, callId: string): void {
    const { counters, clock, store, log } = this.#parts
    const made = eventOf(event, callId, this.#settings.attributes)
    if (!made) return counters.count(series('freeswitch_events', { result: 'ignored' }))
    counters.count(series('freeswitch_events', { result: 'raised' }))
    // Each gateway hears it: under one id it counts once.
    const id = `freeswitch-${event.get('Core-UUID')}-${event.get('Event-Sequence')}`
    const raised: RouseEvent = { id, type: made.type, time: clock.now(), attributes: made.attributes }
    store
      .publish([raised])
      .catch((error: unknown) => log.error('an event of FreeSWITCH could not be published', { error: String(error) }))
  }
}
