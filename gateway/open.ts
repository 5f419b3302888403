import { formatHost } from '../functions/contract/uri/sip-uri.ts'
import { storedEndpoints } from '../functions/push/endpoint-cache.ts'
import { createPush, providersFrom } from '../functions/push/index.ts'
import { nodePlatform } from '../functions/push/node.ts'
import { createApi } from './api/api.ts'
import { serveApi } from './api/serve.ts'
import { type Config, supportedProviders } from './config.ts'
import type { ResilienceConfig } from './config-resilience.ts'
import { type Gateway, startGateway } from './gateway.ts'
import { httpFunctions } from './http-functions.ts'
import { createHttpPush } from './http-push.ts'
import { Integrations } from './integration/integration.ts'
import { DEFAULT_BREAKER } from './invocation/breaker.ts'
import { budgetsOf } from './invocation/budget.ts'
import type { FunctionHost } from './invocation/host.ts'
import { createInProcessHost } from './invocation/in-process.ts'
import { createInvoker } from './invocation/invoker.ts'
import { loadApp } from './invocation/invoker-load.ts'
import { createManifest } from './invocation/invoker-manifest.ts'
import { Counters } from './observe/counters.ts'
import type { Log } from './observe/log.ts'
import { renderPrometheus } from './observe/prometheus.ts'
import { openIngress } from './open-ingress.ts'
import { openIntegrations } from './open-integrations.ts'
import { openOutbox } from './open-outbox.ts'
import { openStore } from './open-store.ts'
import { openTls } from './open-tls.ts'
import type { PushSender } from './push/types.ts'
import { createRandomIds, systemClock } from './system.ts'
import { locate, locateNow } from './transport/locate.ts'
import { createNodeNetwork } from './transport/node-network.ts'
import { createNodeResolver } from './transport/node-resolver.ts'
import { defaultTransportOptions } from './transport/options.ts'
import { cachedResolver } from './transport/resolver-cache.ts'
import type { Tap } from './transport/tap.ts'
import type { Listener } from './transport/types.ts'

/** Composes one gateway out of its settings, for whoever runs it: a process of its own, or a development session. */

/** Milliseconds by which timers may be late so that several fire together: nothing next to T1. */
const TIMER_SLACK_MS = 4
/** In the order in which they are preferred where neither a URI nor the DNS says; what has to be encrypted says so. */
const TRANSPORTS = ['udp', 'tcp', 'tls'] as const
const MAX_WEBSOCKET_BYTES = defaultTransportOptions.maxHeaderBytes + defaultTransportOptions.maxBodyBytes

export interface OpenGateway extends Gateway {
  /** `http://127.0.0.1:8080` */
  readonly httpUrl: string
  /** The functions have changed: reads now what they serve. */
  refreshManifest(): Promise<void>
}

/** What somebody who watches the gateway puts in the place of its parts. */
export interface Replacements {
  /** Instead of the functions that the settings name. */
  functions?: FunctionHost
  /** Around whatever sends pushes. */
  push?(sender: PushSender): PushSender
  /** Sees every SIP message as it comes and goes. */
  tap?: Tap
}

/** Opens everything in order; what was opened adds how it is closed to `stops`. */
export async function openGateway(
  settings: Config,
  log: Log,
  stops: (() => unknown)[],
  replaced: Replacements = {},
): Promise<OpenGateway> {
  for (const notice of settings.notices) log.warn(notice)
  const counters = new Counters()
  const clock = systemClock
  const ids = createRandomIds()
  const common = { clock, count: counters.count, log }
  const { store, hand, state: storeState } = await openStore(settings, { clock, ids, counters, log })
  stops.push(() => store.close())
  const { source, fallbackUrl, fallbackActions, webhookSecret } = settings.functions
  const primary = replaced.functions ?? (source.kind === 'url' ? httpHost(source.url) : await moduleHost(source.path))
  const fallback = fallbackUrl === undefined ? undefined : httpHost(fallbackUrl)
  stops.push(() => Promise.all([primary.close(), fallback?.close()]))
  const invoker = createInvoker({
    primary,
    fallback,
    staticActions: fallbackActions,
    random: Math.random,
    gauge: (series, read) => counters.gauge(series, read),
    ...resilience(settings.resilience),
    ...common,
  })
  const manifest = createManifest({ host: primary, maxBudgetMs: settings.resilience.maxBudgetMs, ...common })
  await manifest.start()
  stops.push(() => manifest.stop())

  const parts = { clock, ids, random: Math.random, store, counters, log }
  const { all, taps, watchers, media, charging, killer, sinks, own } = openIntegrations(settings, { ...parts, hand })
  const outbox = openOutbox(settings, parts, { sinks, own })
  const integrations = new Integrations([...all, outbox], counters)
  const { vapidPublicKey } = settings.push.providers
  const transports = TRANSPORTS.filter((name) => settings.sip.listen.some(({ transport }) => transport === name))
  const resolver = cachedResolver(createNodeResolver(), clock)
  const tls = settings.sip.tls && openTls(settings.sip.tls, clock, log)
  const network = createNodeNetwork({
    tls: tls?.identity,
    tlsFailed: () => counters.count('tls.failed'),
    webSocket: { clock, maxMessageBytes: MAX_WEBSOCKET_BYTES, origins: settings.sip.origins },
  })
  if (tls) stops.push(tls.watch((identity) => network.renewTls(identity)))
  const gateway = await startGateway({
    options: {
      id: settings.gateway.id,
      listeners: listenersOf(settings),
      domains: settings.sip.domains,
      timerSlackMs: TIMER_SLACK_MS,
      pushLimits: settings.push.limits,
      sessionSeconds: settings.sip.sessionSeconds,
      registrar: {
        pushProviders: supportedProviders(settings),
        ...(vapidPublicKey === undefined ? {} : { vapidKey: vapidPublicKey }),
      },
      ...(settings.redisUrl === undefined ? {} : { cluster: settings.gateway }),
    },
    network,
    ids,
    store,
    random: Math.random,
    locator: { locateNow, locate: (uri) => locate(uri, resolver, { clock, random: Math.random, transports }) },
    invoker,
    manifest,
    charging,
    killer,
    push: replaced.push?.(pushSender()) ?? pushSender(),
    media,
    taps: [...taps, ...(replaced.tap ? [replaced.tap] : [])],
    watchers,
    counters,
    ...common,
  })
  let isStopping = false
  for (const { local, bytes } of network.receiveBuffers) log.info('udp receive buffer', { port: local.port, bytes })
  gauges(counters, gateway)
  await integrations.start()

  const api = createApi({
    calls: gateway.calls,
    registrations: store,
    events: openIngress(settings, { publish: gateway.publish, store, clock, ids, counters, log }),
    subscriptions: { book: outbox.book, kinds: outbox.kinds, allowsHttp: !settings.outbox.networks.isEmpty },
    health: {
      ready: ({ withoutStore }) => ({
        ready: (withoutStore || storeState().isUp) && !isStopping && gateway.unready === undefined,
        checks: {
          store: storeState().text,
          functions: manifest.current ? 'known' : 'no manifest yet',
          gateway: isStopping ? 'stopping' : (gateway.unready ?? 'at work'),
          ...integrations.checks,
        },
      }),
    },
    metrics: () => renderPrometheus(counters),
    token: settings.apiToken,
    clock,
    log,
  })
  const server = await serveApi(api, { ...settings.http, clock })
  stops.push(
    () => server.close(),
    () => integrations.stop(),
    // Whoever asks is told why there are no new calls, until it is over.
    async () => {
      isStopping = true
      await gateway.drain(settings.gateway.drainMs)
      await gateway.stop()
    },
  )
  return { ...gateway, httpUrl: server.url, refreshManifest: () => manifest.refresh() }

  function httpHost(url: string): FunctionHost {
    return httpFunctions(url, settings, { clock, ids })
  }

  async function moduleHost(path: string): Promise<FunctionHost> {
    const loaded = await loadApp(path)
    if (!loaded.ok) throw new Error(loaded.message)
    return createInProcessHost(loaded.app, clock, process.env, webhookSecret)
  }

  function pushSender() {
    const { url, webhookUrl } = settings.push
    if (url === undefined) {
      const platform = nodePlatform()
      stops.push(() => platform.close())
      const providers = providersFrom(settings.push.providers, { platform, clock, endpoints: storedEndpoints(store) })
      return createPush({ providers, webhookUrl, secret: webhookSecret, log, clock })
    }
    const sender = createHttpPush({ url, clock, secret: webhookSecret })
    stops.push(() => sender.close())
    return sender
  }
}

function resilience({ inviteBudgetMs, otherBudgetMs, concurrency, queue, cache, ...breaker }: ResilienceConfig) {
  const { breakerPercent, breakerRestMs: restMs } = breaker
  const failures =
    breakerPercent === undefined ? Number.POSITIVE_INFINITY : Math.ceil((breakerPercent / 100) * DEFAULT_BREAKER.tries)
  return {
    budgets: budgetsOf(inviteBudgetMs, otherBudgetMs),
    places: { running: concurrency, waiting: queue },
    breaker: { failures, restMs },
    maxDecisions: cache,
  }
}

function listenersOf({ sip }: Config): Listener[] {
  return sip.listen.map(({ transport, host, port }) => ({
    transport,
    address: host,
    port,
    advertisedHost: formatHost(sip.advertise?.host ?? host),
    // Its port is that of UDP and TCP.
    advertisedPort: transport === 'udp' || transport === 'tcp' ? (sip.advertise?.port ?? port) : port,
  }))
}

function gauges(counters: Counters, gateway: Gateway): void {
  for (const name of Object.keys(gateway.counts()) as (keyof ReturnType<Gateway['counts']>)[]) {
    counters.gauge(`live{kind="${name}"}`, () => gateway.counts()[name])
  }
}
