import { pause } from '../../functions/contract/clock.ts'
import type { Authorization } from '../../functions/contract/envelope.ts'
import type { Integration, IntegrationParts } from '../integration/integration.ts'
import { series } from '../observe/counters.ts'
import type { Charge, ChargeFacts, Charging } from './charging.ts'
import { Delivery } from './delivery.ts'
import { HttpRpc } from './http-rpc.ts'
import { type Entry, Ledger } from './ledger.ts'
import { AWAY, authorizationOf, isTrouble, originIdOf, reasonOf, refusalOf } from './replies.ts'
import { authorizeRequest, type BilledCall } from './requests.ts'
import type { Reply, Rpc, RpcEvents } from './rpc.ts'
import { Session } from './session.ts'
import type { CgratesSettings } from './settings.ts'
import { type Connect, TcpRpc } from './tcp-rpc.ts'

/** How the platform reaches the other side: one of the two, as the address says. */
export interface CgratesNetwork {
  connect(host: string, port: number): Connect
  post(url: string, authorization: string | undefined): (body: string, timeoutMs: number) => Promise<string>
}

export interface CgratesParts extends Omit<IntegrationParts, 'ids'> {
  settings: CgratesSettings
  gatewayId: string
  network: CgratesNetwork
}

/** What is left to tell when the gateway stops has so long. Milliseconds. */
const LAST_WORDS_MS = 3000
const STEP_MS = 50
const PASSED = series('cgrates_authorizations', { result: 'passed' })

/** CGRateS, as calls and the gateway see it. */
export class Cgrates implements Integration, Charging {
  readonly name = 'cgrates'
  readonly #parts: CgratesParts
  readonly #rpc: Rpc
  readonly #ledger: Ledger
  readonly #delivery: Delivery
  readonly #sessions = new Map<string, Session>()

  constructor(parts: CgratesParts) {
    const { store, clock, counters, log, gatewayId } = parts
    this.#parts = parts
    this.#rpc = counted(this.#connection(), counters.count)
    this.#ledger = new Ledger({
      ...{ store, clock, gatewayId },
      onLoaded: (before) => this.#takeUp(before),
      onTrouble: (error) => log.error('calls that are billed cannot be written down', { error: String(error) }),
    })
    this.#delivery = new Delivery({
      ...{ rpc: this.#rpc, ledger: this.#ledger, clock, count: counters.count },
      onRefused: (entry, error) => log.error('cgrates refuses the record of a call', { error, record: entry }),
    })
    counters.gauge('cgrates_sessions', () => this.#sessions.size)
    counters.gauge('cgrates_records_waiting', () => this.#delivery.size)
  }

  get health() {
    return this.#rpc.health
  }

  start(): void {
    this.#ledger.start()
    this.#rpc.start()
  }

  /** Calls that are talked on were left, or ended, before. */
  async stop(): Promise<void> {
    const { clock } = this.#parts
    const deadline = clock.now() + LAST_WORDS_MS
    while ((this.#sessions.size > 0 || this.#delivery.isBusy) && clock.now() < deadline) await pause(clock, STEP_MS)
    this.#delivery.stop()
    await this.#ledger.stop()
    this.#rpc.stop()
  }

  async authorize(facts: ChargeFacts): Promise<Authorization> {
    const { settings, log, counters } = this.#parts
    const tenant = facts.tenant ?? settings.tenant
    const { method, param } = authorizeRequest({ ...facts, tenant })
    const reply = await this.#rpc.call(method, param)
    const isAway = reply.kind === 'away' || (reply.kind === 'error' && isTrouble(reply.error))
    if (isAway && settings.away === 'pass') {
      counters.count(PASSED)
      return { authorized: true }
    }
    const authorization = authorizationOfReply(reply, facts)
    const { authorized, code } = authorization
    counters.count(series('cgrates_authorizations', { result: authorized ? 'authorized' : String(code) }))
    if (!authorized) log.info('call not authorized', { callId: facts.callId, code, error: textOf(reply) })
    return authorization
  }

  begin(facts: ChargeFacts, answeredAt: number, hangUp: (reason: string) => void): Charge {
    const session = this.#session(facts, answeredAt, hangUp)
    session.begin()
    return session
  }

  resume(facts: ChargeFacts, answeredAt: number, since: number, hangUp: (reason: string) => void): Charge {
    const session = this.#session(facts, answeredAt, hangUp)
    session.resume(since)
    return session
  }

  #session(facts: ChargeFacts, answeredAt: number, hangUp: (reason: string) => void): Session {
    const { settings, clock, log } = this.#parts
    const call = { ...facts, tenant: facts.tenant ?? settings.tenant, answeredAt }
    const session = new Session(call, {
      ...{ rpc: this.#rpc, ledger: this.#ledger, clock, intervalMs: settings.intervalMs, away: settings.away },
      hangUp: (reason) => {
        log.info('call hung up by billing', { callId: facts.callId, reason })
        hangUp(reason)
      },
      onOver: (entry) => {
        this.#sessions.delete(call.id)
        this.#delivery.add(entry)
      },
      onLeft: () => this.#sessions.delete(call.id),
    })
    this.#sessions.set(call.id, session)
    return session
  }

  /** A former process has not told of these. */
  #takeUp(before: readonly Entry[]): void {
    if (before.length > 0) this.#parts.log.info('calls of a former process are billed', { calls: before.length })
    for (const entry of before) {
      if (entry.session === 'open') entry.session = 'unsure'
      this.#delivery.add(entry)
    }
  }

  #connection(): Rpc {
    const { settings, network, clock, random, log } = this.#parts
    const { address, timeoutMs } = settings
    const events: RpcEvents = {
      up: () => {
        log.info('cgrates can be reached')
        this.#delivery.wake()
      },
      down: (why) => log.warn('cgrates is away', { why }),
      request: (method, param) => this.#request(method, param),
    }
    if (address.kind === 'http')
      return new HttpRpc({ post: network.post(address.url, address.authorization), clock, timeoutMs, events })
    return new TcpRpc({ connect: network.connect(address.host, address.port), clock, random, timeoutMs, events })
  }

  /** What CGRateS asks for, under the names that its versions have for it. */
  #request(method: string, param: unknown): unknown {
    switch (method.slice(method.indexOf('.') + 1)) {
      case 'DisconnectSession':
        return this.#disconnect(param)
      case 'GetActiveSessionIDs':
        return this.#active.map(({ originHost, id }) => ({ OriginHost: originHost, OriginID: id }))
      case 'WarnDisconnect':
        return 'OK'
      default:
        throw new Error('NOT_IMPLEMENTED')
    }
  }

  /** Calls that it has sessions of: those that are talked, and those that it has not been told the end of. */
  get #active(): BilledCall[] {
    return [...this.#sessions.values(), ...this.#ledger.all].map(({ call }) => call)
  }

  #disconnect(param: unknown): 'OK' {
    const session = this.#sessions.get(originIdOf(param) ?? '')
    if (!session) throw new Error('NOT_FOUND')
    session.disconnect(reasonOf(param))
    return 'OK'
  }
}

function authorizationOfReply(reply: Reply, facts: ChargeFacts): Authorization {
  if (reply.kind === 'away') return AWAY
  return reply.kind === 'error' ? refusalOf(reply.error) : authorizationOf(reply.result, facts)
}

function textOf(reply: Reply): string {
  if (reply.kind === 'result') return 'no usage is left'
  return reply.kind === 'error' ? reply.error : reply.why
}

function counted(rpc: Rpc, count: (series: string) => void): Rpc {
  return {
    get health() {
      return rpc.health
    },
    start: () => rpc.start(),
    stop: () => rpc.stop(),
    call: async (method, param) => {
      const reply = await rpc.call(method, param)
      count(series('cgrates_requests', { method: method.slice(method.indexOf('.') + 1), result: reply.kind }))
      return reply
    },
  }
}
