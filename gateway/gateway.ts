import { type Clock, type IdSource, pause } from '../functions/contract/clock.ts'
import type { RouseEvent } from '../functions/contract/events.ts'
import type { Binding, Store } from '../functions/store/store.ts'
import { everyBinding } from '../functions/store/whereabouts.ts'
import type { Charging } from './cgrates/charging.ts'
import { BEAT_MS, type CallKeeper, Cluster, type ClusterParts, joinCluster, socketsOf } from './cluster/cluster.ts'
import { FlowTokens } from './cluster/flow-token.ts'
import { HandOver } from './cluster/hand-over.ts'
import { ALONE, LivePeers } from './cluster/peers.ts'
import { Sight } from './cluster/sight.ts'
import { Goodbyes } from './dialog/goodbyes.ts'
import { ackOrphan, type HangupParts } from './dialog/hangup.ts'
import { Reach } from './dialog/reach.ts'
import { DialogRelay } from './dialog/relay.ts'
import { DialogTable } from './dialog/table.ts'
import type { CallKiller } from './freeswitch/freeswitch.ts'
import { Ingress } from './ingress.ts'
import { Calls } from './invocation/calls.ts'
import { Nonces } from './invocation/credentials.ts'
import { Elsewhere } from './invocation/elsewhere.ts'
import { Farewells } from './invocation/farewells.ts'
import type { Invoker } from './invocation/invoker.ts'
import type { ManifestCache } from './invocation/invoker-manifest.ts'
import type { CallParts } from './invocation/parts.ts'
import { RequestRouter } from './invocation/router.ts'
import { Writing } from './invocation/writing.ts'
import type { Media } from './media/types.ts'
import type { Counters } from './observe/counters.ts'
import type { Log } from './observe/log.ts'
import type { Watcher } from './observe/watcher.ts'
import { createIdentity } from './proxy/identity.ts'
import { type Locator, ProxyCore } from './proxy/proxy.ts'
import { isOwnRoute } from './proxy/route.ts'
import { SessionTimer } from './proxy/session-timer.ts'
import { PushMetrics } from './push/metrics.ts'
import { Purrs } from './push/purr.ts'
import { createPusher, DEFAULT_PUSH_LIMITS, type PushLimits } from './push/pusher.ts'
import type { PushSender } from './push/types.ts'
import { Waker } from './push/waker.ts'
import { createRegistrar, type Registrar, type RegistrarOptions } from './registrar/registrar.ts'
import { createTransactionLayer } from './transaction/layer.ts'
import { createTimerQueue } from './transaction/timer-queue.ts'
import { DeadTargets } from './transport/dead-targets.ts'
import { createTransportLayer } from './transport/layer.ts'
import type { TransportOptions } from './transport/options.ts'
import { type Tap, tapOf } from './transport/tap.ts'
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
  /** Seconds for which sessions are asked to last without a refresh, from 90 (RFC 4028); default: nobody is asked. */
  sessionSeconds?: number | undefined
  /** A dialog nobody ends is forgotten after this; default 12 hours. */
  maxDialogMs?: number
  /** How late timers may fire so that several fire together; default 0. */
  timerSlackMs?: number
  transport?: Partial<TransportOptions>
  registrar?: Partial<RegistrarOptions>
  /** How many pushes one AOR gets, and one caller causes; default see DEFAULT_PUSH_LIMITS. */
  pushLimits?: PushLimits
  /** Of several gateways that share a store; absent: this one is alone. */
  cluster?: {
    /** Whose calls it may adopt, and who its own: others of the same pool, behind the same address. */
    pool: string
    /** IP literal at which the others reach its listeners; default each listener's own address. */
    address?: string | undefined
  }
}

/** How often a gateway that is to stop looks whether it may. Milliseconds. */
const DRAIN_STEP_MS = 100
/** What it takes at most to go on with one call of a process before, which is done with all of them in one turn. */
const TAKE_UP_MS = 0.5

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
  /** Relays media; absent: all of it goes directly. */
  media?: Media | undefined
  /** Absent: no billing system. */
  charging?: Charging | undefined
  /** Ends calls where their media is; absent: nobody does. */
  killer?: CallKiller | undefined
  /** From 0 to 1; spreads what would else happen at once. */
  random(): number
  /** Each sees every message as it comes and goes; none: nobody looks. */
  taps?: readonly Tap[]
  /** See events and invocations. */
  watchers?: readonly Watcher[]
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
  /** Why it should be given no more calls, undefined while it may: see `GatewayOptions.cluster`. */
  readonly unready: string | undefined
  /**
   * Takes no new calls, and resolves when none is left that could not be left to another process: with a store that outlives this one what
   * rings is written down, and other gateways have seen that this one leaves; else it has to end, and does after `limitMs`: callers hear 503,
   * and nobody's phone rings on. `stop` comes next.
   */
  drain(limitMs: number): Promise<void>
  stop(): Promise<void>
}

/** The composition root: opens the listeners and ties the rooms together. */
export async function startGateway(parts: GatewayParts): Promise<Gateway> {
  const { options, clock, ids, network, store, counters, log } = parts
  const count = counters.count
  const watchers = parts.watchers ?? []
  const timers = createTimerQueue(clock, { slackMs: options.timerSlackMs ?? 0 })
  const membership = await join(parts)
  const transport = createTransportLayer({
    network,
    clock,
    listeners: membership
      ? options.listeners.map((listener) => ({ ...listener, gateway: options.id }))
      : options.listeners,
    ...(options.transport ? { options: options.transport } : {}),
    count,
    tap: tapOf(parts.taps ?? []),
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
  const peers = membership?.peers ?? ALONE
  const maxDialogMs = options.maxDialogMs ?? 12 * 3_600_000
  let cluster: Cluster | undefined
  const writing = new Writing(timers, () => cluster?.isCertain ?? true)
  const elsewhere = new Elsewhere({ gateway: options.id, store, clock, peers, maxDialogMs, writing, count, log })
  const handOver = membership && new HandOver({ transport, peers, elsewhere, count })
  const ingress = new Ingress({
    transport,
    transactions,
    handOver,
    count,
    onBug,
    onMessage: log.isDebug ? (text, flow) => logMessage(log, text, flow) : undefined,
  })
  await transport.start(ingress.receive, ingress.broken)
  if (membership) membership.parts.self.sockets = socketsOf(transport.listeners, options.cluster?.address)

  const identity = createIdentity(
    transport.listeners,
    options.domains.length > 0 ? options.domains : transport.listeners.map(({ address }) => address),
    membership && { ...membership.parts.self, peers, tokens: membership.tokens },
  )
  const proxy = new ProxyCore({
    transactions,
    transport,
    peers,
    timers,
    ids,
    clock,
    locator: parts.locator,
    dead: new DeadTargets(clock),
    media: parts.media,
    options: {
      timerCMs: options.timerCMs ?? 185_000,
      sessionTimer: options.sessionSeconds === undefined ? undefined : new SessionTimer(options.sessionSeconds),
    },
  })
  const dialogs = new DialogTable(timers, { maxDialogMs })
  const publishing = new Set<Promise<unknown>>()
  const publish = (events: RouseEvent[], callId?: string) => {
    if (events.length === 0) return
    waker.heard(events)
    for (const watcher of watchers) watcher.events(events, callId)
    const published: Promise<unknown> = store
      .publish(events)
      .catch((error: unknown) => log.error('events could not be published', { error: String(error) }))
      .then(() => publishing.delete(published))
    publishing.add(published)
  }
  const pushMetrics = new PushMetrics(counters)
  const pusher = createPusher({
    ...{ sender: parts.push, store, clock, ids, random: parts.random, publish, metrics: pushMetrics, log },
    limits: options.pushLimits ?? DEFAULT_PUSH_LIMITS,
  })
  const waker = new Waker({ store, clock, pusher, newId: () => ids.next('push') })
  const purrs = new Purrs(membership?.secret ?? ids.next('purr secret'))
  const registrar: Registrar = createRegistrar({
    store,
    clock,
    publish,
    options: {
      gateway: options.id,
      isLocalDomain: identity.isLocalDomain,
      purr: (aor, device) => purrs.write(aor, device),
      ...options.registrar,
    },
    refreshes: { pusher, ids },
    onSweepFailure: (error) => log.error('expired bindings could not be taken out', { error: String(error) }),
  })
  const reach = new Reach({ gateway: options.id, store, transport, peers, identity })
  const hangup: HangupParts = {
    transactions,
    reach,
    transport,
    locator: parts.locator,
    ids,
    isOwnRoute: (route) => isOwnRoute(route, identity),
  }
  const goodbyes = membership && new Goodbyes(store, clock, () => count('store failures'))
  const sight = membership && new Sight(store, () => count('store failures'))
  const farewells = new Farewells({ store, ids, timers, proxy, hangup, pusher, count, log })
  const callParts: CallParts = {
    gatewayId: options.id,
    store,
    clock,
    ids,
    timers,
    proxy,
    identity,
    peers,
    invoker: parts.invoker,
    manifest: parts.manifest,
    registrar,
    pusher,
    pushMetrics,
    farewells,
    elsewhere,
    callsOutlive: membership !== undefined,
    goodbyes,
    media: parts.media,
    waker,
    dialogs,
    hangup,
    nonces: new Nonces(clock, ids.next('nonce secret')),
    writing,
    charging: parts.charging,
    killer: parts.killer,
    publish,
    watchers,
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
    peers,
    elsewhere,
    tokens: membership?.tokens,
    newTag: () => ids.next('tag'),
    reach,
    gateway: options.id,
    store,
    purrs,
    waker,
    media: parts.media,
    goodbyes,
    acknowledge: (invite, answer) => void ackOrphan({ invite, answer, flow: undefined }, hangup),
  })
  const router = new RequestRouter(callParts, calls, relay, handOver)
  const inboxes = new Map<string, { close(): Promise<void> }>()
  const keeper: CallKeeper = {
    takeOver: async (gateway, hasLeft) => {
      const seen = store.lastSeen(gateway)
      const [suspended, lastSeen, followedUntil] = await Promise.all([
        store.suspended(gateway),
        seen,
        sight?.of(gateway, seen) ?? seen,
      ])
      const takesMs = suspended.length * TAKE_UP_MS
      if (gateway === options.id && takesMs > BEAT_MS) await cluster?.busyFor(takesMs)
      if (hasLeft || gateway === options.id) sight?.over(gateway)
      else sight?.looksOn(gateway, followedUntil)
      // Requests that have come since the sockets were opened were not taken; the next ones find the calls of before a restart.
      transactions.serve(router)
      await calls.takeUp(suspended, { gateway, lastSeen, followedUntil, hasLeft })
      const inbox = await store.inbox(
        gateway,
        (deliveries) => calls.deliver(deliveries),
        () => calls.writeAgain(),
      )
      inboxes.set(gateway, inbox)
    },
    bury: async (gateway) => {
      const [suspended, lastSeen] = await Promise.all([store.suspended(gateway), store.lastSeen(gateway)])
      calls.bury(suspended, lastSeen)
    },
    letGo: async (gateway, isTaken) => {
      await inboxes.get(gateway)?.close()
      inboxes.delete(gateway)
      await calls.letGo(gateway, isTaken)
    },
    hasCallsOf: (gateway) => calls.hasCallsOf(gateway),
    replaced: () => {
      router.drains = 'by refusal'
    },
  }
  if (membership) cluster = new Cluster(membership.parts, membership.peers, keeper)
  await (cluster ? cluster.start() : keeper.takeOver(options.id, true))
  registrar.start()
  if (membership) counters.gauge('peers', () => membership.peers.size)

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
    publish(event) {
      for (const watcher of watchers) watcher.events([event])
      return store.publish([event])
    },
    registrations: (cursor, limit) => store.registrations(cursor, limit),
    registration: async (aor) => everyBinding(await store.lookup(aor)),
    get unready() {
      return cluster?.isReplaced ? `another process has started as ${options.id}` : undefined
    },
    drain: async (limitMs) => {
      router.drains = 'to others'
      const deadline = clock.now() + limitMs
      while (!calls.canStop(cluster !== undefined) && clock.now() < deadline) await pause(clock, DRAIN_STEP_MS)
      if (!cluster) return calls.giveUp()
      calls.keep()
      await cluster.announceLeave(deadline - clock.now())
    },
    stop: async () => {
      registrar.stop()
      // What is still on its way here is taken up, and then left as the rest is.
      await cluster?.rest()
      await Promise.all([...inboxes.values()].map((inbox) => inbox.close()))
      // What comes from now on is repeated, and finds whoever goes on with the calls.
      await transport.stop()
      await calls.stop()
      await Promise.all(publishing)
      farewells.stop()
      await cluster?.leave()
    },
  }
}

/** Among other gateways: has its lease before it has any socket, so that nobody else acts for its calls any more. */
async function join({ options, clock, ids, store, counters, log }: GatewayParts) {
  if (!options.cluster) return undefined
  const { pool, address } = options.cluster
  const self = { id: options.id, life: ids.next('life'), pool, sockets: socketsOf(options.listeners, address) }
  const parts: ClusterParts = {
    store,
    clock,
    self,
    secret: ids.next('secret') + ids.next('secret'),
    count: counters.count,
    log,
  }
  const secret = await joinCluster(parts)
  const tokens = new FlowTokens(secret)
  return { parts, tokens, secret, peers: new LivePeers(pool, options.listeners, tokens) }
}

/** The start line and Call-ID of a message; bodies and credentials stay out. */
function logMessage(log: Log, text: string, flow: Flow): void {
  const end = text.indexOf('\r')
  log.debug('sip in', {
    line: text.slice(0, end < 0 ? 200 : Math.min(end, 200)),
    from: `${flow.transport}:${flow.remoteAddress}:${flow.remotePort}`,
  })
}
