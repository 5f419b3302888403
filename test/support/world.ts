import assert from 'node:assert/strict'
import type { Action } from '../../functions/contract/actions.ts'
import type { Clock } from '../../functions/contract/clock.ts'
import type { Invocation } from '../../functions/contract/envelope.ts'
import type { PushMessage, PushResult } from '../../functions/contract/push.ts'
import { createMemoryStore } from '../../functions/store/memory.ts'
import type { Store } from '../../functions/store/store.ts'
import type { Cgrates } from '../../gateway/cgrates/cgrates.ts'
import type { CgratesSettings } from '../../gateway/cgrates/settings.ts'
import type { CallKiller } from '../../gateway/freeswitch/freeswitch.ts'
import type { Gateway, GatewayOptions } from '../../gateway/gateway.ts'
import type { FunctionHost } from '../../gateway/invocation/host.ts'
import { createInProcessHost, type FunctionApp } from '../../gateway/invocation/in-process.ts'
import type { InvokerOptions } from '../../gateway/invocation/invoker.ts'
import type { Sockets } from '../../gateway/media/rtpengines.ts'
import { Counters } from '../../gateway/observe/counters.ts'
import type { Log } from '../../gateway/observe/log.ts'
import type { Watcher } from '../../gateway/observe/watcher.ts'
import type { Resolver } from '../../gateway/transport/resolver.ts'
import type { Tap } from '../../gateway/transport/tap.ts'
import type { CgratesStandIn } from './cgrates.ts'
import { CountingIds, FakeClock, settled } from './fake-clock.ts'
import { FakeEngine } from './fake-engine.ts'
import { GatewayProcess } from './gateway-process.ts'
import { Ladder } from './ladder.ts'
import { serialized } from './life.ts'
import { MemoryNetwork } from './memory-network.ts'
import { Phone, type PhoneOptions } from './phone.ts'
import type { WireMessage } from './wire.ts'

export const DOMAIN = 'example.com'
const GATEWAY = { address: '10.0.0.1', port: 5060 }

export interface WorldOptions {
  /** The functions; without them the gateway routes by its own location service. */
  app?: FunctionApp
  /** Another host than `app` in process, for functions that misbehave. */
  host?: FunctionHost
  fallback?: FunctionHost
  staticActions?: Action[]
  /** What is not as usual about how functions are asked: limits, chance. */
  invoker?: Partial<InvokerOptions>
  gateway?: Partial<GatewayOptions>
  store?: (clock: FakeClock, ids: CountingIds) => Store
  /** How the gateway reaches the store; what else does, reaches it as it is. Made anew for each process. */
  link?: (store: Store, clock: Clock) => Store
  resolver?: Resolver
  /** The billing system; absent: none is set. */
  cgrates?: { standIn: CgratesStandIn; settings?: Partial<CgratesSettings> }
  /** Takes what the gateway logs, errors excepted: these are in `errors`. */
  log?: Log
  /** Who sees the gateway's messages, and what else it does. */
  taps?: readonly Tap[]
  watchers?: readonly Watcher[]
  /** For functions that take their time. */
  clock?: FakeClock
  /** What the push provider says; default accepted. */
  push?: (message: PushMessage) => PushResult | Promise<PushResult>
  /** How many rtpengines there are: `rtpengine`, `rtpengine2`, … in ladders, without their pings; default none. */
  engines?: number
  /** Who may end calls instead of the gateway. */
  killer?: CallKiller
  /** Arrows of TCP and UDP keep-alives, 100s and such can be left out: default shows everything. */
  hides?: (label: string) => boolean
}

/** A gateway, phones and functions in virtual time on an in-memory network; every arrow between them is in the ladder. */
export class World {
  readonly clock: FakeClock
  readonly ids = new CountingIds()
  readonly network = new MemoryNetwork()
  readonly ladder = new Ladder(() => this.clock.now())
  readonly counters = new Counters()
  readonly pushes: PushMessage[] = []
  /** What the gateway has logged as errors. */
  readonly errors: string[] = []
  /** Every try at a function. */
  readonly invocations: Invocation[] = []
  readonly store: Store
  /** The rtpengines, as `WorldOptions.engines` says. */
  readonly engines: FakeEngine[] = []
  /** How often a gateway has written down, and taken back, a suspended call. */
  readonly writes = { suspend: 0, resume: 0, release: 0 }
  readonly #options: WorldOptions
  /** What the gateway at an address is called in ladders. */
  readonly #names = new Map([[GATEWAY.address, 'gw']])
  #nextHost = 10
  #hearsDigits: (datagram: string, from: string) => void = () => {}
  #process!: GatewayProcess

  constructor(options: WorldOptions) {
    this.#options = options
    this.clock = options.clock ?? new FakeClock()
    const store = options.store?.(this.clock, this.ids) ?? createMemoryStore({ clock: this.clock, ids: this.ids })
    for (let number = 1; number <= (options.engines ?? 0); number++) {
      const name = number === 1 ? 'rtpengine' : `rtpengine${number}`
      const onCommand = (command: string) => this.ladder.add('gw', name, command)
      this.engines.push(new FakeEngine({ address: `10.0.9.${number}`, onCommand }))
    }
    this.store = serialized(store, (what) => this.writes[what]++)
  }

  #media() {
    if (this.engines.length === 0) return undefined
    const engines = this.engines.map(({ address }) => ({
      name: `${address}:22222`,
      host: address,
      port: 22222,
      weight: 1,
    }))
    const settings = { engines, dtmf: { host: GATEWAY.address, port: 22223 }, timeoutMs: 1000, pingMs: 2000 }
    const sockets: Sockets = {
      openLink: (host, port, events) => this.engines.find(({ address }) => address === host)!.open(host, port, events),
      openEar: async (_host, port, receive) => {
        this.#hearsDigits = receive
        return { port, close: () => {} }
      },
    }
    return { settings, sockets, callsOutlive: this.#options.gateway?.cluster !== undefined }
  }

  /** An rtpengine's DTMF log says this. */
  async logsDigit(datagram: string, from = this.engines[0]!.address): Promise<void> {
    this.#hearsDigits(datagram, from)
    await settled()
  }

  get gateway(): Gateway {
    return this.#process.gateway
  }

  get cgrates(): Cgrates | undefined {
    return this.#process.cgrates
  }

  async start(): Promise<this> {
    this.#process = await this.process(this.#options.gateway)
    await settled()
    return this
  }

  /** One more gateway beside the world's own, on the same store: of another id, at another address. */
  async process(
    options: Partial<GatewayOptions> & { address?: string; advertised?: string } = {},
  ): Promise<GatewayProcess> {
    const { app, host, fallback, staticActions, resolver = nowhere } = this.#options
    const { address = GATEWAY.address, advertised = address, ...more } = options
    const listener = { ...GATEWAY, address, advertisedHost: advertised, advertisedPort: GATEWAY.port }
    this.#names.set(address, more.id ?? 'gw')
    const listeners = (['udp', 'tcp'] as const).map((transport) => ({ transport, ...listener }))
    const primary = this.#seen(host ?? (app ? createInProcessHost(app, this.clock) : noFunctions))
    return GatewayProcess.start(
      { id: 'gw', listeners, domains: [DOMAIN], ...more },
      {
        clock: this.clock,
        ids: this.ids,
        network: this.network,
        store: this.store,
        link: this.#options.link,
        resolver,
        primary,
        fallback: fallback && this.#seen(fallback, 'fallback'),
        staticActions,
        invoker: this.#options.invoker,
        push: { send: (message) => this.#push(message) },
        media: this.#media(),
        cgrates: this.#options.cgrates,
        killer: this.#options.killer,
        counters: this.counters,
        log: this.#options.log,
        taps: this.#options.taps,
        watchers: this.#options.watchers,
        onError: (message) => void this.errors.push(message),
      },
    )
  }

  /** Ends the gateway's process without any goodbye; network, phones, functions and the store go on. */
  async kill(): Promise<void> {
    this.#process.kill()
    await settled()
  }

  /** Ends the gateway's process as it is told to end; network, phones, functions and the store go on. */
  async halt(): Promise<void> {
    await this.#process.stop()
    await this.kill()
  }

  /** A gateway of the same id, in a process of its own. */
  async restart(): Promise<void> {
    await this.kill()
    await this.start()
  }

  /** A phone of its own address, connected but not registered. */
  async phone(name: string, options: Partial<PhoneOptions> = {}): Promise<Phone> {
    const gateway = this.#names.get(options.gateway?.address ?? GATEWAY.address) ?? 'gw'
    const phone = new Phone({
      name,
      domain: DOMAIN,
      address: `10.0.0.${this.#nextHost++}`,
      gateway: GATEWAY,
      network: this.network,
      onArrow: (direction, message) => this.#arrow(name, gateway, direction, message),
      ...options,
    })
    return phone.connect()
  }

  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms)
    await settled()
  }

  async publish(type: string, attributes: Record<string, string>): Promise<number> {
    const matched = await this.gateway.publish({ id: this.ids.next('event'), type, time: this.clock.now(), attributes })
    await settled()
    return matched
  }

  /** What people see of the newest call. */
  get newestCall(): Record<string, unknown> {
    const [newest] = this.gateway.calls.list(1)
    return { ...this.gateway.calls.get(newest!.id) }
  }

  /** Lets every transaction run out and asserts that nothing is left alive: no call, transaction, dialog or timer, and none in the store. */
  async assertQuiet(ms = 200_000): Promise<void> {
    await this.advance(ms)
    assert.deepEqual(this.gateway.counts(), {
      calls: 0,
      serverTransactions: 0,
      clientTransactions: 0,
      dialogs: 0,
      timers: 0,
    })
    assert.deepEqual(await this.store.suspended('gw'), [])
  }

  async stop(): Promise<void> {
    await this.#process.stop()
    await this.store.close()
  }

  #arrow(name: string, gateway: string, direction: 'sent' | 'received', message: WireMessage): void {
    const label = labelOf(message)
    if (this.#options.hides?.(label)) return
    if (direction === 'sent') this.ladder.add(name, gateway, label)
    else this.ladder.add(gateway, name, label)
  }

  async #push(message: PushMessage): Promise<PushResult> {
    this.pushes.push(message)
    const { device, purpose } = message
    this.ladder.add('gw', 'push', purpose === 'call' || purpose === 'request' ? device : `${device} ${purpose}`)
    return (await this.#options.push?.(message)) ?? { outcome: 'accepted' }
  }

  #seen(host: FunctionHost, name = 'function'): FunctionHost {
    return {
      ...(host.isInProcess && { isInProcess: host.isInProcess }),
      manifest: () => host.manifest(),
      invoke: (path, invocation, options) => {
        this.invocations.push(invocation)
        this.ladder.add('gw', name, path + (invocation.type === 'sip.request' ? '' : ` ${invocation.type}`))
        return host.invoke(path, invocation, options)
      },
      close: () => host.close(),
    }
  }
}

/** `INVITE bob` for a new request with a user, `BYE` within a dialog, `100`, `200 INVITE`. */
function labelOf(message: WireMessage): string {
  if (!message.isRequest) return message.status < 200 ? String(message.status) : `${message.status} ${message.method}`
  const isNew = message.tag('To') === '' && (message.method === 'INVITE' || message.method === 'MESSAGE')
  const user = /^sips?:([^@;]+)@/.exec(message.uri)?.[1]
  return isNew && user ? `${message.method} ${user}` : message.method
}

const nowhere: Resolver = { naptr: async () => [], srv: async () => [], addresses: async () => [] }

/** A function that has no routes: everything is the gateway's own. */
const noFunctions: FunctionHost = {
  manifest: async () => ({ ok: true, value: { contract: 1, routes: [], handlers: [] } }),
  invoke: async () => ({ kind: 'none' }),
  close: async () => {},
}

export async function world(options: WorldOptions = {}): Promise<World> {
  return new World(options).start()
}
