import type { Integration, IntegrationParts } from '../integration/integration.ts'
import { series } from '../observe/counters.ts'
import { Backlog } from './backlog.ts'
import { CallIds } from './call-ids.ts'
import { EslConnection } from './connection.ts'
import { eventIn, type SwitchEvent } from './event.ts'
import type { Frame } from './frames.ts'
import { eventId, eventOf } from './raised.ts'
import type { EslServer, FreeswitchSettings } from './settings.ts'
import type { Connect } from './wire.ts'

export interface FreeswitchParts extends IntegrationParts {
  connect: Connect
}

/** Ends calls by their SIP Call-ID. */
export interface CallKiller {
  /** @returns why nobody there has ended it, in a few words for people; undefined when somebody has */
  kill(callId: string, cause: string): Promise<string | undefined>
}

/** They say which call a channel is of, and when it is gone. */
const USEFUL = ['CHANNEL_CREATE', 'CHANNEL_ANSWER', 'CHANNEL_UUID', 'CHANNEL_DESTROY']
/** Milliseconds that whoever hangs up waits for it. */
const KILL_MS = 1000
/** Milliseconds that a stop waits for the store. */
const HAND_OVER_MS = 2000

interface Server {
  name: string
  connection: EslConnection
  callIds: CallIds
}

/** FreeSWITCH: what happens on its channels is raised here, and calls are ended there. */
export class Freeswitch implements Integration, CallKiller {
  readonly name = 'freeswitch'
  readonly #settings: FreeswitchSettings
  readonly #parts: FreeswitchParts
  readonly #wanted: ReadonlySet<string>
  readonly #servers: readonly Server[]
  readonly #backlog: Backlog
  /** As last told. */
  readonly #troubles = new Map<string, string | undefined>()

  constructor(settings: FreeswitchSettings, parts: FreeswitchParts) {
    const { store, clock, counters, log } = parts
    this.#settings = settings
    this.#parts = parts
    this.#wanted = new Set([...settings.events, ...(settings.subclasses.length > 0 ? ['CUSTOM'] : [])])
    this.#servers = settings.servers.map((server) => this.#open(server))
    this.#backlog = new Backlog({
      ...{ store, clock },
      full: (isFull) => this.#pause(isFull),
      failed: (error) => log.error('events of FreeSWITCH cannot be published', { error: String(error) }),
      lost: (count) => this.#lost(count),
    })
    counters.gauge('freeswitch_backlog', () => this.#backlog.size)
  }

  get health(): { isUp: boolean; text: string } {
    const states = this.#servers.map(({ name, connection: { state } }) => ({ name, state }))
    const troubles = states.flatMap(({ name, state }) => {
      if (!state.isUp) return [`${name} away: ${state.trouble}`]
      return state.refused.length === 0 ? [] : [`${name} does not tell of ${state.refused.join(', ')}`]
    })
    const isUp = states.some(({ state }) => state.isUp)
    return { isUp, text: troubles.length === 0 ? 'connected' : troubles.join('; ') }
  }

  start(): void {
    for (const { connection } of this.#servers) connection.start()
  }

  async stop(): Promise<void> {
    for (const { connection } of this.#servers) connection.stop()
    // Nobody says any more which call they are of.
    await Promise.all(this.#servers.map(({ callIds }) => callIds.settled()))
    await this.#backlog.close(HAND_OVER_MS)
  }

  async kill(callId: string, cause: string): Promise<string | undefined> {
    const channels = this.#servers.flatMap(({ connection, callIds }) =>
      callIds.channels.uuids(callId).map((uuid) => ({ connection, uuid })),
    )
    const replies = await Promise.all(
      channels.map(({ connection, uuid }) => connection.api(`uuid_kill ${uuid} ${cause}`, KILL_MS)),
    )
    const why = this.#whyNot(replies)
    this.#count('freeswitch_hangups', why === undefined ? 'done' : 'not done')
    this.#parts.log.info('hang-up by FreeSWITCH', { callId, cause, result: why ?? 'done' })
    return why
  }

  /** @param replies of the channels that it has of a call */
  #whyNot(replies: readonly (string | undefined)[]): string | undefined {
    if (replies.some((reply) => reply?.startsWith('+OK'))) return undefined
    if (!this.#servers.some(({ connection }) => connection.state.isUp)) return 'it is away'
    if (replies.length === 0) return 'it has no such call'
    return replies.find((reply) => reply !== undefined)?.slice(0, 100) ?? 'it does not answer'
  }

  #open(server: EslServer): Server {
    const { connect, clock, random } = this.#parts
    const { events, subclasses } = this.#settings
    const name = server.host.includes(':') ? `[${server.host}]:${server.port}` : `${server.host}:${server.port}`
    const connection: EslConnection = new EslConnection({
      ...{ server, connect, clock, random },
      wanted: [...events, ...subclasses.map((subclass) => `CUSTOM ${subclass}`)],
      useful: USEFUL.filter((event) => !events.includes(event)),
      told: () => this.#told(name, connection),
      heard: (frame) => this.#heard(callIds, frame),
    })
    const callIds = new CallIds({
      ask: (uuid) => askCallId(connection, uuid),
      found: (event, callId) => this.#raise(event, callId),
      dropped: () => this.#count('freeswitch_events', 'dropped'),
    })
    return { name, connection, callIds }
  }

  /** What goes on as it was is told once. */
  #told(server: string, { state }: EslConnection): void {
    const { log } = this.#parts
    const trouble = state.isUp ? undefined : state.trouble
    if (this.#troubles.get(server) === trouble && trouble !== undefined) return
    this.#troubles.set(server, trouble)
    if (!state.isUp) return log.warn('FreeSWITCH is away', { server, reason: state.trouble })
    log.info('FreeSWITCH is there', { server })
    if (state.refused.length > 0) log.warn('FreeSWITCH does not tell of all events', { server, refused: state.refused })
  }

  #heard(callIds: CallIds, frame: Frame): void {
    const event = eventIn(frame)
    if (event) callIds.take(event, this.#wanted.has(event.name))
    else this.#count('freeswitch_events', 'unreadable')
  }

  #raise(event: SwitchEvent, callId: string): void {
    const made = eventOf(event, callId, this.#settings.attributes)
    this.#count('freeswitch_events', made ? 'raised' : 'ignored')
    if (!made) return
    const { clock, ids, log } = this.#parts
    const id = eventId(event) ?? ids.next('event')
    // Digits may be somebody's PIN: they stay out.
    if (log.isDebug) log.debug('event of FreeSWITCH', { type: made.type, callId, eventId: id })
    this.#backlog.add({ id, time: clock.now(), ...made })
  }

  #pause(isFull: boolean): void {
    if (isFull) this.#parts.log.warn('the store is slow: nothing is read from FreeSWITCH for now')
    for (const { connection } of this.#servers) {
      if (isFull) connection.pause()
      else connection.resume()
    }
  }

  #lost(count: number): void {
    this.#parts.counters.count(series('freeswitch_events', { result: 'lost' }), count)
    this.#parts.log.error('events of FreeSWITCH are lost: the store has not taken them', { count })
  }

  #count(name: string, result: string): void {
    this.#parts.counters.count(series(name, { result }))
  }
}

async function askCallId(connection: EslConnection, uuid: string): Promise<string | undefined> {
  const reply = await connection.api(`uuid_getvar ${uuid} sip_call_id`)
  return reply === '_undef_' || reply?.startsWith('-ERR') ? '' : reply
}
