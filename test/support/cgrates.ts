import type { Connect, WireEvents } from '../../gateway/cgrates/tcp-rpc.ts'

/**
 * CGRateS as its documents and sources describe it (0.10, 0.11), as far as a SIP router meets it: accounts with a balance of talk, sessions
 * that debit piece by piece, records that are there once. It takes nothing that the original would not take, and charges for what the
 * original charges for: to terminate a session that is not there is one more call. Costs of sessions are stored (`store_session_costs`).
 */

const NS_IN_MS = 1e6
/** Usage that is authorized when the event names none. */
const DEFAULT_USAGE_MS = 3 * 3_600_000
const REQUEST_TYPES = ['*prepaid', '*postpaid', '*pseudoprepaid', '*rated']
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/
const GO_DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/
const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
const FLAGS: Record<string, readonly string[]> = {
  AuthorizeEvent: ['GetMaxUsage'],
  InitiateSession: ['InitSession'],
  UpdateSession: ['UpdateSession'],
  TerminateSession: ['TerminateSession'],
  ProcessCDR: [],
}

export interface Account {
  /** Milliseconds of talk that are left; debts below 0. */
  balanceMs: number
  disabled?: boolean
}

interface Event {
  OriginID: string
  OriginHost: string
  RequestType: string
  Account: string
  Destination: string
  Usage?: string
  AnswerTime?: string
  [field: string]: string | undefined
}

interface Session {
  event: Event
  debitedMs: number
}

export interface Cdr {
  event: Event
  usageMs: number
}

type Answer = { result: unknown } | { error: string }
interface Line {
  events: WireEvents
  pending: Map<number, (answer: Answer) => void>
}

export class CgratesStandIn {
  readonly accounts = new Map<string, Account>()
  readonly sessions = new Map<string, Session>()
  readonly #closed = new Set<string>()
  readonly cdrs = new Map<string, Cdr>()
  /** Every request but pings, as `method step`, in order. */
  readonly asked: string[] = []
  /** What the original would not have taken: a test ends with none of it. */
  readonly faults: string[] = []
  /** Refuses connections; `dies` also ends those there are. */
  isAway = false
  /** Takes requests and answers none. */
  isSilent = false
  /** Errors instead of answers, by method. */
  readonly fails = new Map<string, string>()
  /** How MaxUsage is written. */
  writesUsage: (ms: number) => unknown = (ms) => ms * NS_IN_MS
  readonly #lines = new Set<Line>()
  readonly #held = new Map<string, (() => void)[]>()
  #nextId = 1

  account(name: string, seconds: number, more: Partial<Account> = {}): Account {
    const account = { balanceMs: seconds * 1000, ...more }
    this.accounts.set(name, account)
    return account
  }

  dies(): void {
    this.isAway = true
    for (const { events } of [...this.#lines]) events.closed('closed by the other side')
    this.#lines.clear()
  }

  comesBack(): void {
    this.isAway = false
  }

  /** Answers to that method are kept back until `release`. */
  hold(method: string): void {
    this.#held.set(method, [])
  }

  release(method: string): void {
    const held = this.#held.get(method) ?? []
    this.#held.delete(method)
    for (const answer of held) answer()
  }

  /** An in-memory connection: what is written arrives within the same moment. */
  get connect(): (host: string, port: number) => Connect {
    return () => (events) => {
      const line: Line = { events, pending: new Map() }
      const later = (act: () => void) => void Promise.resolve().then(act)
      if (this.isAway) later(() => events.closed('connect ECONNREFUSED'))
      else {
        this.#lines.add(line)
        later(() => this.#lines.has(line) && events.opened())
      }
      return {
        write: (text) => later(() => this.#lines.has(line) && this.take(line, JSON.parse(text))),
        destroy: () => void this.#lines.delete(line),
      }
    }
  }

  /** A connection from outside, for real sockets. */
  line(events: WireEvents): Line {
    const line: Line = { events, pending: new Map() }
    this.#lines.add(line)
    return line
  }

  closes(line: Line): void {
    this.#lines.delete(line)
  }

  /** One message over a connection. */
  take(line: Line, message: Record<string, unknown>): void {
    const send = (text: object) => this.#lines.has(line) && line.events.received(Buffer.from(JSON.stringify(text)))
    if (typeof message.method !== 'string') {
      const { id, result, error } = message as { id: number; result: unknown; error: string | null }
      line.pending.get(id)?.(error === null ? { result } : { error })
      line.pending.delete(id)
      return
    }
    this.answer(message, (answer) => send({ id: message.id, result: null, error: null, ...answer }))
  }

  /** One request, however it came. */
  answer(message: Record<string, unknown>, reply: (answer: Answer) => void): void {
    const { method, params } = message as { method: string; params: unknown }
    if ('jsonrpc' in message) this.faults.push('a member jsonrpc')
    if (this.isSilent) return
    const name = method.replace(/^SessionSv1\./, '')
    const answer = this.#answer(name, params)
    const send = () => reply(answer)
    const held = this.#held.get(name)
    if (held) held.push(send)
    else send()
  }

  /** Asks the router, over every connection. */
  ask(method: string, param: unknown): Promise<Answer[]> {
    const asked = [...this.#lines].map((line) => {
      const id = this.#nextId++
      const answered = new Promise<Answer>((resolve) => line.pending.set(id, resolve))
      line.events.received(Buffer.from(JSON.stringify({ method, params: [param], id })))
      return answered
    })
    return Promise.all(asked)
  }

  disconnect(originId: string, reason = 'FORCED_DISCONNECT', method = 'SessionSv1.DisconnectSession') {
    return this.ask(method, { EventStart: this.sessions.get(originId)?.event, Reason: reason })
  }

  #answer(method: string, params: unknown): Answer {
    if (method === 'Ping') return { result: 'Pong' }
    const [param] = Array.isArray(params) && params.length === 1 ? params : []
    if (typeof param !== 'object' || param === null) return this.#fault(`${method}: expected one parameter`)
    if (method === 'GetActiveSessions') return this.#active(param as Record<string, unknown>)
    if (!Object.hasOwn(FLAGS, method)) return this.#fault(`rpc: can't find method SessionSv1.${method}`)
    const { ID } = param as { ID: string }
    this.asked.push(`${method} ${String(ID).replace(/^.*?-([a-z]+(-\d+)?)$/, '$1')}`)
    const failure = this.fails.get(method)
    if (failure !== undefined) return { error: failure }
    const event = this.#event(method, param as Record<string, unknown>)
    if (!event) return { error: `MANDATORY_IE_MISSING: [${method}]` }
    return this.#perform(method, event)
  }

  #perform(method: string, event: Event): Answer {
    switch (method) {
      case 'AuthorizeEvent':
        return this.#authorize(event)
      case 'InitiateSession':
      case 'UpdateSession':
        return this.#debit(event)
      case 'TerminateSession':
        return this.#terminate(event)
      default:
        return this.#record(event)
    }
  }

  #authorize(event: Event): Answer {
    const account = this.accounts.get(event.Account)
    if (!account) return { error: 'RALS_ERROR:ACCOUNT_NOT_FOUND' }
    if (account.disabled) return { error: 'RALS_ERROR:ACCOUNT_DISABLED' }
    if (event.Destination.startsWith('900')) return { error: 'RALS_ERROR:UNAUTHORIZED_DESTINATION' }
    const isLimited = event.RequestType === '*prepaid' || event.RequestType === '*pseudoprepaid'
    const ms = isLimited ? Math.min(Math.max(account.balanceMs, 0), DEFAULT_USAGE_MS) : DEFAULT_USAGE_MS
    return { result: { MaxUsage: this.writesUsage(ms) } }
  }

  #debit(event: Event): Answer {
    const account = this.accounts.get(event.Account)
    if (!account) return { error: 'RALS_ERROR:ACCOUNT_NOT_FOUND' }
    const session = this.sessions.get(event.OriginID) ?? { event, debitedMs: 0 }
    this.sessions.set(event.OriginID, session)
    const askedMs = durationMs(event.Usage)
    if (event.RequestType !== '*prepaid') return { result: { MaxUsage: this.writesUsage(askedMs) } }
    const ms = Math.min(askedMs, Math.max(account.balanceMs, 0))
    account.balanceMs -= ms
    session.debitedMs += ms
    return { result: { MaxUsage: this.writesUsage(ms) } }
  }

  #terminate(event: Event): Answer {
    const account = this.accounts.get(event.Account)
    const usageMs = durationMs(event.Usage)
    const session = this.sessions.get(event.OriginID)
    this.sessions.delete(event.OriginID)
    if (!session) this.faults.push('a session that is not there was to be ended: that is one more charge')
    this.#closed.add(event.OriginID)
    if (account && event.RequestType === '*prepaid') account.balanceMs -= usageMs - (session?.debitedMs ?? 0)
    return { result: 'OK' }
  }

  #record(event: Event): Answer {
    if (this.cdrs.has(event.OriginID)) return { error: 'EXISTS' }
    const usageMs = durationMs(event.Usage)
    this.cdrs.set(event.OriginID, { event, usageMs })
    const isRatedNow = event.RequestType !== '*prepaid' || !this.#closed.has(event.OriginID)
    const account = this.accounts.get(event.Account)
    if (account && isRatedNow && !this.sessions.has(event.OriginID)) account.balanceMs -= usageMs
    return { result: 'OK' }
  }

  #active({ Filters }: Record<string, unknown>): Answer {
    this.asked.push('GetActiveSessions')
    const [filter] = Filters as string[]
    const id = /^\*string:~\*req\.OriginID:(.+)$/.exec(filter ?? '')?.[1]
    if (id === undefined) return this.#fault(`filter ${filter}`)
    const session = this.sessions.get(id)
    return session ? { result: [{ OriginID: id, Usage: session.debitedMs * NS_IN_MS }] } : { error: 'NOT_FOUND' }
  }

  /** The event of a request, when all of it is as the original wants it. */
  #event(method: string, { Tenant, ID, Event: event, ...flags }: Record<string, unknown>): Event | undefined {
    const fault = (what: string) => void this.#fault(`${method}: ${what}`)
    const wanted = FLAGS[method]!
    if (Object.keys(flags).join() !== wanted.join() || wanted.some((flag) => flags[flag] !== true))
      return fault(`flags ${Object.keys(flags)}`)
    if (typeof Tenant !== 'string' || Tenant === '' || typeof ID !== 'string' || ID === '') return fault('Tenant or ID')
    const fields = (event ?? {}) as Record<string, unknown>
    for (const [name, value] of Object.entries(fields)) if (typeof value !== 'string') return fault(`${name}: no text`)
    const found = fields as Event
    for (const name of ['OriginID', 'OriginHost', 'Account', 'Subject', 'Destination', 'Category', 'Source', 'CallID'])
      if (!found[name]) return fault(`${name} is missing`)
    if (found.ToR !== '*voice' || !REQUEST_TYPES.includes(found.RequestType)) return fault('ToR or RequestType')
    if (!RFC3339.test(found.SetupTime ?? '')) return fault('SetupTime')
    if (method === 'AuthorizeEvent') return found
    if (!RFC3339.test(found.AnswerTime ?? '')) return fault('AnswerTime')
    if (!GO_DURATION.test(found.Usage ?? '')) return fault(`Usage ${found.Usage}`)
    return found
  }

  #fault(what: string): { error: string } {
    this.faults.push(what)
    return { error: `SERVER_ERROR: ${what}` }
  }
}

function durationMs(text = ''): number {
  const [, number, unit] = GO_DURATION.exec(text) ?? []
  return Number(number) * UNIT_MS[unit!]!
}
