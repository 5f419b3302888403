import type { Clock, IdSource } from '../functions/contract/clock.ts'
import type { RouseEvent } from '../functions/contract/events.ts'
import type { Binding, Store } from '../functions/store/store.ts'
import { ackOrphan, type HangupParts } from './dialog/hangup.ts'
import { DialogRelay } from './dialog/relay.ts'
import { DialogTable } from './dialog/table.ts'
import { Ingress } from './ingress.ts'
import { Calls } from './invocation/calls.ts'
import { Nonces } from './invocation/credentials.ts'
import type { Invoker } from './invocation/invoker.ts'
import type { ManifestCache } from './invocation/invoker-manifest.ts'
import type { CallParts, PushSender } from './invocation/parts.ts'
import { RequestRouter } from './invocation/router.ts'
import type { Counters } from './observe/counters.ts'
import type { Log } from './observe/log.ts'
import { createIdentity } from './proxy/identity.ts'
import { type Locator, ProxyCore } from './proxy/proxy.ts'
import { isOwnRoute } from './proxy/route.ts'
import { createRegistrar, type Registrar, type RegistrarOptions } from './registrar/registrar.ts'
import { createTransactionLayer } from './transaction/layer.ts'
import { createTimerQueue } from './transaction/timer-queue.ts'
import { DeadTargets } from './transport/dead-targets.ts'
import { createTransportLayer } from './transport/layer.ts'
import type { TransportOptions } from './transport/options.ts'
import type { Flow, Listener, Network } from './transport/types.ts'

/** All times in milliseconds. */
export interface GatewayOptions {
  /** Who owns a transaction. */
  id: string
  listeners: Listener[]
  /** Domains the router is responsible for; the hosts of the listeners when empty. */
  domains: string[]
  /** RFC 3261 T1, T2, T4; default 500, 4000, 5000. */
  timers?: { t1: number; t2: number; t4: number }
  /** Timer C, default 185,000: more than three minutes (RFC 3261 16.6). */
  timerCMs?: number
  /** A dialog nobody ends is forgotten after this; default 12 hours. */
  maxDialogMs?: number
  /** How late timers may fire so that several fire together; default 0. */
  timerSlackMs?: number
  transport?: Partial<TransportOptions>
  registrar?: Partial<RegistrarOptions>
}

/** Everything that is not pure comes in: time, chance, sockets, the store, the functions. */
export interface GatewayParts {
  options: GatewayOptions
  clock: Clock
  ids: IdSource
  network: Network
  store: Store
  locator: Locator
  invoker: Invoker
  manifest: ManifestCache
  push: PushSender
  counters: Counters
  log: Log
}

export interface Gateway {
  /** As opened: port 0 has become a real one. */
  readonly listeners: readonly Listener[]
  readonly calls: Calls
  /** What is alive; every count is zero when nothing goes on. */
  counts(): { calls: number; serverTransactions: number; clientTransactions: number; dialogs: number; timers: number }
  /** Publishes an event that came from outside; how many live subscriptions it met. */
  publish(event: RouseEvent): Promise<number>
  registrations(cursor: string, limit: number): Promise<{ bindings: Binding[]; cursor: string }>
  registration(aor: string): Promise<Binding[]>
  stop(): Promise<void>
}

/** The composition root: opens the listeners and ties the rooms together. */
export async function startGateway(parts: GatewayParts): Promise<Gateway> {
  const { options, clock, ids, network, store, counters, log } = parts
  const count = counters.count
  const timers = createTimerQueue(clock, { slackMs: options.timerSlackMs ?? 0 })
  const transport = createTransportLayer({
    network,
    clock,
    listeners: options.listeners,
    ...(options.transport ? { options: options.transport } : {}),
    count,
  })
  const transactions = createTransactionLayer({
    transport,
    timers,
    ids,
    times: options.timers ?? { t1: 500, t2: 4000, t4: 5000 },
    count,
  })
  const onBug = (error: unknown) => {
    count('bugs')
    log.error('a message could not be handled', {
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    })
  }
  const ingress = new Ingress({
    transport,
    transactions,
    count,
    onBug,
    onMessage: log.isDebug ? (text, flow) => logMessage(log, text, flow) : undefined,
  })
  const suspended = await store.suspended(options.id)
  await transport.start(ingress.receive, ingress.broken)

  const identity = createIdentity(
    transport.listeners,
    options.domains.length > 0 ? options.domains : transport.listeners.map(({ address }) => address),
  )
  const proxy = new ProxyCore({
    transactions,
    transport,
    timers,
    ids,
    clock,
    locator: parts.locator,
    dead: new DeadTargets(clock),
    options: { timerCMs: options.timerCMs ?? 185_000 },
  })
  const dialogs = new DialogTable(timers, { maxDialogMs: options.maxDialogMs ?? 12 * 3_600_000 })
  const publish = (events: RouseEvent[]) => {
    if (events.length === 0) return
    store
      .publish(events)
      .catch((error: unknown) => log.error('events could not be published', { error: String(error) }))
  }
  const registrar: Registrar = createRegistrar({
    store,
    clock,
    publish,
    options: { gateway: options.id, isLocalDomain: identity.isLocalDomain, ...options.registrar },
    onSweepFailure: (error) => log.error('expired bindings could not be taken out', { error: String(error) }),
  })
  const hangup: HangupParts = {
    transactions,
    transport,
    locator: parts.locator,
    ids,
    isOwnRoute: (route) => isOwnRoute(route, identity),
  }
  const callParts: CallParts = {
    gatewayId: options.id,
    store,
    clock,
    ids,
    timers,
    proxy,
    identity,
    invoker: parts.invoker,
    manifest: parts.manifest,
    registrar,
    push: parts.push,
    dialogs,
    hangup,
    nonces: new Nonces(clock, ids.next('nonce secret')),
    publish,
    count,
    onBug,
    log,
  }
  const calls = new Calls(callParts)
  const relay = new DialogRelay({
    proxy,
    dialogs,
    identity,
    transport,
    newTag: () => ids.next('tag'),
    acknowledge: (invite, answer) => void ackOrphan({ invite, answer, flow: undefined }, hangup),
  })
  // Requests that have come since the sockets were opened were not taken; the next ones find the calls of before a restart.
  transactions.serve(new RequestRouter(callParts, calls, relay))
  calls.takeUp(suspended)
  const inbox = await store.inbox(options.id, (deliveries) => calls.deliver(deliveries))
  registrar.start()

  return {
    listeners: transport.listeners,
    calls,
    counts: () => ({
      calls: calls.size,
      serverTransactions: transactions.counts.server,
      clientTransactions: transactions.counts.client,
      dialogs: dialogs.size,
      timers: timers.size,
    }),
    publish: (event) => store.publish([event]),
    registrations: (cursor, limit) => store.registrations(cursor, limit),
    registration: async (aor) => (await store.lookup(aor)).bindings,
    stop: async () => {
      registrar.stop()
      await inbox.close()
      await calls.stop()
      await transport.stop()
    },
  }
}

/** The start line and Call-ID of a message; bodies and credentials stay out. */
function logMessage(log: Log, text: string, flow: Flow): void {
  const end = text.indexOf('\r')
  log.debug('sip in', {
    line: text.slice(0, end < 0 ? 200 : Math.min(end, 200)),
    from: `${flow.transport}:${flow.remoteAddress}:${flow.remotePort}`,
  })
}
