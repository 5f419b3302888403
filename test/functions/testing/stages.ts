import type { SipRouter } from 'rouse'
import { type SimulatedCall, type Simulation, simulate, type TestedApp } from 'rouse/testing'
import type { Invocation } from '../../../functions/contract/envelope.ts'
import { instanceOf, readJournal } from '../../../functions/sdk/journal.ts'
import type { Phone } from '../../support/phone.ts'
import { type World, world } from '../../support/world.ts'

/** One story, told to the real gateway and to the testing kit: what the functions were asked and answered, and what the caller heard. */

export interface Cast {
  /** By name; the user is `bob` unless the phone says otherwise. */
  phones: Readonly<Record<string, { user?: string; isAsleep?: boolean; q?: number }>>
}

/** What both stages can be told. Phones go by their names. */
export interface Stage {
  invites(uri: string): Promise<void>
  messages(uri: string): Promise<void>
  answers(phone: string): Promise<void>
  fails(phone: string, status: number): Promise<void>
  /** At its contact, or at a new one. */
  registers(phone: string, port?: number): Promise<void>
  raises(type: string, attributes: Record<string, string>): Promise<void>
  presses(digit: string): Promise<void>
  advance(ms: number): Promise<void>
  cancels(): Promise<void>
  hangsUp(): Promise<void>
}

export type Story = (stage: Stage) => Promise<void>

export interface Told {
  asked: unknown[]
  responses: number[]
  pushes: unknown[]
  annotations: unknown
}

const CALLER = { address: '10.0.0.10', uri: 'sip:alice@10.0.0.10:5060' }

/** Records what is asked and answered, in words that are the same on both stages. */
class Recorder implements TestedApp {
  readonly asked: unknown[] = []
  readonly #sip: SipRouter

  constructor(sip: SipRouter) {
    this.#sip = sip
  }

  fetch(request: Request, env?: unknown): Promise<Response> {
    return this.#sip.fetch(request, env)
  }

  async dispatch(path: string, invocation: Invocation, options?: object) {
    const result = await this.#sip.dispatch(path, invocation, options)
    const { transaction, call, contacts, event, wait, branch } = invocation.data
    // What comes of a wait while the answer that no longer wants it is performed: it is microseconds that decide whether this is asked.
    if (wait && !readJournal(invocation.data.context, instanceOf(wait.name))) return result
    const { actions } = (result.body ?? {}) as { actions?: unknown }
    const told = {
      ...{ type: invocation.type, path, time: Date.parse(invocation.time) % 1_000_000, seq: transaction.seq },
      ...{ status: result.status, actions, state: transaction.state, contacts },
      branches: transaction.branches.map(({ uri, state, status, fork }) => ({ uri, state, status, fork })),
      event: eventWords(event),
      wait: wait && { ...wait, event: eventWords(wait.event) },
      branch: branch && { uri: branch.uri, state: branch.state, status: branch.status },
    }
    this.asked.push(JSON.parse(JSON.stringify(told).replaceAll(call.id, 'CALL-ID')))
    return result
  }
}

function eventWords(event: Invocation['data']['event']) {
  if (!event) return undefined
  const { gateway: _, ...attributes } = event.attributes
  return { type: event.type, attributes }
}

/** Phones have registered so long before the call: who has a moment ago is not taken for asleep. */
const LONG_AGO_MS = 10_000

export async function onTheGateway(sip: SipRouter, cast: Cast, story: Story): Promise<Told> {
  const app = new Recorder(sip)
  const w = await world({ app, resolver: await mediaOnly() })
  const stage = new GatewayStage(w)
  await stage.enters(cast)
  await w.advance(LONG_AGO_MS)
  app.asked.length = 0
  await story(stage)
  const told = { asked: app.asked, ...stage.told }
  await w.stop()
  return told
}

async function mediaOnly() {
  return {
    naptr: async () => [],
    srv: async () => [],
    addresses: async (host: string) => (host === 'media.example.com' ? ['10.0.9.9'] : []),
  }
}

class GatewayStage implements Stage {
  readonly #w: World
  readonly #phones = new Map<string, Phone>()
  #alice!: Phone

  constructor(w: World) {
    this.#w = w
  }

  async enters({ phones }: Cast): Promise<void> {
    this.#alice = await this.#w.phone('alice', { address: CALLER.address })
    let host = 20
    for (const [name, { user = 'bob', isAsleep, q }] of Object.entries(phones)) {
      const address = name === 'voicemail' ? '10.0.9.9' : `10.0.0.${host++}`
      const push = isAsleep ? { contactParams: `pn-provider=fcm;pn-param=app;pn-prid=token-of-${name}` } : {}
      const phone = await this.#w.phone(name, { user, address, instance: `urn:uuid:${name}`, ...push })
      this.#phones.set(name, phone)
      if (name !== 'voicemail') await phone.registers(q === undefined ? {} : { q })
      if (isAsleep) {
        await phone.vanish()
        this.#w.network.silent(address, 5060)
      }
    }
  }

  get told(): Omit<Told, 'asked'> {
    const responses = this.#alice.received.filter(
      ({ isRequest, method, status }) => !isRequest && (method === 'INVITE' || method === 'MESSAGE') && status > 100,
    )
    return {
      responses: responses.map(({ status }) => status),
      pushes: this.#w.pushes.filter(({ purpose }) => purpose !== 'cancel').map(({ aor, device }) => ({ aor, device })),
      annotations: this.#w.newestCall.annotations,
    }
  }

  #phone(name: string): Phone {
    return this.#phones.get(name)!
  }

  async invites(uri: string): Promise<void> {
    await this.#alice.invites('', { uri })
    await this.#w.advance(0)
  }
  messages(uri: string): Promise<void> {
    return this.#alice.requests('MESSAGE', uri)
  }
  answers(name: string): Promise<void> {
    return this.#phone(name).answers()
  }
  fails(name: string, status: number): Promise<void> {
    return this.#phone(name).declines(status)
  }
  async registers(name: string, port?: number): Promise<void> {
    const phone = this.#phone(name)
    this.#w.network.restore(phone.options.address, port ?? 5060)
    await phone.moveTo(port ?? 5060)
    await phone.registers()
    await this.#w.advance(0)
  }
  async raises(type: string, attributes: Record<string, string>): Promise<void> {
    await this.#w.publish(type, attributes)
    await this.#w.advance(0)
  }
  presses(digit: string): Promise<void> {
    return this.#alice.presses(digit)
  }
  advance(ms: number): Promise<void> {
    return this.#w.advance(ms)
  }
  cancels(): Promise<void> {
    return this.#alice.cancels()
  }
  hangsUp(): Promise<void> {
    return this.#alice.hangsUp()
  }
}

export async function inTheKit(sip: SipRouter, cast: Cast, story: Story): Promise<Told> {
  const app = new Recorder(sip)
  const stage = new KitStage(app, cast)
  await story(stage)
  return { asked: app.asked, ...stage.told }
}

class KitStage implements Stage {
  readonly #simulation: Simulation
  readonly #uris = new Map<string, string>()
  readonly #users = new Map<string, string>()
  /** Whose contact it is, or was. */
  readonly #names = new Map<string, string>()
  #call: SimulatedCall | undefined

  constructor(app: TestedApp, { phones }: Cast) {
    const contacts: Record<string, { uri: string; instance: string; push: boolean; asleep: boolean }[]> = {}
    let host = 20
    for (const [name, { user = 'bob', isAsleep = false, q }] of Object.entries(phones)) {
      const uri = name === 'voicemail' ? 'sip:voicemail@media.example.com' : `sip:${user}@10.0.0.${host++}:5060`
      this.#uris.set(name, uri)
      this.#names.set(uri, name)
      this.#users.set(name, user)
      if (name === 'voicemail') continue
      const phone = {
        uri,
        instance: `urn:uuid:${name}`,
        push: isAsleep,
        asleep: isAsleep,
        ...(q === undefined ? {} : { q }),
      }
      const aor = `sip:${user}@example.com`
      contacts[aor] = [...(contacts[aor] ?? []), phone]
    }
    this.#simulation = simulate(app, { contacts, domains: ['example.com'], now: new Date(0) })
  }

  get told(): Omit<Told, 'asked'> {
    const call = this.#call!
    const deviceOf = (contact: string) => `urn:uuid:${this.#names.get(contact)}`
    return {
      responses: call.responses.map(({ status }) => status),
      pushes: call.pushes.map(({ aor, contact }) => ({ aor, device: deviceOf(contact) })),
      annotations: call.annotations,
    }
  }

  async invites(uri: string): Promise<void> {
    await this.#simulation.advance(LONG_AGO_MS)
    this.#call = await this.#simulation.invite(uri, { contact: CALLER.uri })
  }
  async messages(uri: string): Promise<void> {
    await this.#simulation.advance(LONG_AGO_MS)
    this.#call = await this.#simulation.message(uri, { contact: CALLER.uri })
    // Phones take a message at once.
    if (this.#call.state === 'ringing') await this.#call.answers().catch(() => {})
  }
  async answers(name: string): Promise<void> {
    await this.#call!.answers(this.#uris.get(name)!)
  }
  async fails(name: string, status: number): Promise<void> {
    await this.#call!.fails(status, this.#uris.get(name)!)
  }
  async registers(name: string, port = 5060): Promise<void> {
    const uri = this.#uris.get(name)!.replace(/:\d+$/, `:${port}`)
    this.#uris.set(name, uri)
    await this.#simulation.registers(`sip:${this.#users.get(name)}@example.com`, { uri, instance: `urn:uuid:${name}` })
  }
  async raises(type: string, attributes: Record<string, string>): Promise<void> {
    await this.#simulation.event(type, attributes as never)
  }
  async presses(digit: string): Promise<void> {
    const callId = this.#call!.id
    await this.#simulation.event('dtmf', { callId, digit, duration: 160, source: 'info' })
  }
  async advance(ms: number): Promise<void> {
    await this.#simulation.advance(ms)
  }
  async cancels(): Promise<void> {
    await this.#call!.cancel()
  }
  async hangsUp(): Promise<void> {
    await this.#call!.hangsUp()
  }
}
