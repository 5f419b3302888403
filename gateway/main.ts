import { setFlagsFromString } from 'node:v8'
import { formatHost } from '../functions/contract/uri/sip-uri.ts'
import { createPush } from '../functions/push/index.ts'
import { createApi } from './api/api.ts'
import { serveApi } from './api/serve.ts'
import { type Config, readConfig } from './config.ts'
import type { ResilienceConfig } from './config-resilience.ts'
import { type Gateway, startGateway } from './gateway.ts'
import { greeting } from './greeting.ts'
import { createHttpPush } from './http-push.ts'
import { DEFAULT_BREAKER } from './invocation/breaker.ts'
import { budgetsOf } from './invocation/budget.ts'
import type { FunctionHost } from './invocation/host.ts'
import { createHttpHost } from './invocation/http.ts'
import { createInProcessHost } from './invocation/in-process.ts'
import { createInvoker } from './invocation/invoker.ts'
import { loadApp } from './invocation/invoker-load.ts'
import { createManifest } from './invocation/invoker-manifest.ts'
import { Counters } from './observe/counters.ts'
import { createLog, type ProcessLog } from './observe/log.ts'
import { renderPrometheus } from './observe/prometheus.ts'
import { openStore } from './open-store.ts'
import { createRandomIds, systemClock } from './system.ts'
import { locate, locateNow } from './transport/locate.ts'
import { createNodeNetwork } from './transport/node-network.ts'
import { createNodeResolver } from './transport/node-resolver.ts'
import { cachedResolver } from './transport/resolver-cache.ts'
import type { Listener } from './transport/types.ts'

/** The gateway as a process: reads the environment, opens the sockets, says where it listens, stops on SIGTERM and SIGINT. */

/** Milliseconds by which timers may be late so that several fire together: nothing next to T1. */
const TIMER_SLACK_MS = 4

// Little of what a call needs outlives it: one thread collects that sooner than several that wait for each other on busy cores.
setFlagsFromString('--no-parallel-scavenge')

const config = readConfig(process.env)
if (!config.ok) refuse(config.problem.map(({ message }) => message))
await run(config.value)

async function run(settings: Config): Promise<void> {
  const log = createLog(settings.logLevel)
  const stops: (() => unknown)[] = []
  try {
    const gateway = await open(settings, log, stops)
    process.stdout.write(`${greeting(settings, gateway.listeners, gateway.httpUrl)}\n`)
  } catch (error) {
    refuse([error instanceof Error ? error.message : String(error)])
  }
  const stop = async (signal: string) => {
    log.info('stopping', { signal })
    for (const each of stops.reverse()) await each()
    log.flush()
    process.exit(0)
  }
  // A stray error of a handler in this process, or of ours, is told; it must not end everybody's calls.
  process.on('unhandledRejection', (error) => log.error('unhandled rejection', { error: String(error) }))
  process.on('uncaughtException', (error) => log.error('uncaught exception', { error: error.stack ?? String(error) }))
  process.once('SIGTERM', (signal) => void stop(signal))
  process.once('SIGINT', (signal) => void stop(signal))
}

/** Opens everything in order; what was opened adds how it is closed to `stops`. */
async function open(
  settings: Config,
  log: ProcessLog,
  stops: (() => unknown)[],
): Promise<Gateway & { httpUrl: string }> {
  for (const notice of settings.notices) log.warn(notice)
  const counters = new Counters()
  const clock = systemClock
  const ids = createRandomIds()
  const common = { clock, count: counters.count, log }
  const { store, state: storeState } = await openStore(settings, { clock, ids, counters, log })
  stops.push(() => store.close())
  const { source, fallbackUrl, fallbackActions, webhookSecret } = settings.functions
  const primary = source.kind === 'url' ? httpHost(source.url) : await moduleHost(source.path)
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

  const resolver = cachedResolver(createNodeResolver(), clock)
  const network = createNodeNetwork()
  const gateway = await startGateway({
    options: {
      id: settings.gateway.id,
      listeners: listenersOf(settings),
      domains: settings.sip.domains,
      timerSlackMs: TIMER_SLACK_MS,
      ...(settings.redisUrl === undefined ? {} : { cluster: settings.gateway }),
    },
    network,
    ids,
    store,
    locator: { locateNow, locate: (uri) => locate(uri, resolver, { clock, random: Math.random }) },
    invoker,
    manifest,
    push: pushSender(),
    counters,
    ...common,
  })
  let isStopping = false
  for (const { local, bytes } of network.receiveBuffers) log.info('udp receive buffer', { port: local.port, bytes })
  gauges(counters, gateway)

  const api = createApi({
    calls: gateway.calls,
    registrations: store,
    publish: gateway.publish,
    health: {
      ready: ({ withoutStore }) => ({
        ready: (withoutStore || storeState().isUp) && !isStopping && gateway.unready === undefined,
        checks: {
          store: storeState().text,
          functions: manifest.current ? 'known' : 'no manifest yet',
          gateway: isStopping ? 'stopping' : (gateway.unready ?? 'at work'),
        },
      }),
    },
    metrics: () => renderPrometheus(counters),
    token: settings.apiToken,
    clock,
    ids,
    log,
  })
  const server = await serveApi(api, { ...settings.http, clock })
  stops.push(
    () => server.close(),
    // Whoever asks is told why there are no new calls, until it is over.
    async () => {
      isStopping = true
      await gateway.drain(settings.gateway.drainMs)
      await gateway.stop()
    },
  )
  return { ...gateway, httpUrl: server.url }

  function httpHost(url: string): FunctionHost {
    // One more than invocations need is for the manifest.
    return createHttpHost({ url, clock, secret: webhookSecret, connections: settings.resilience.concurrency + 1 })
  }

  async function moduleHost(path: string): Promise<FunctionHost> {
    const loaded = await loadApp(path)
    if (!loaded.ok) throw new Error(loaded.message)
    return createInProcessHost(loaded.app, clock, process.env)
  }

  function pushSender() {
    const { url, webhookUrl } = settings.push
    if (url === undefined)
      return createPush({
        ...(webhookUrl === undefined ? {} : { webhookUrl }),
        ...(webhookSecret === undefined ? {} : { secret: webhookSecret }),
        log,
      })
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
    advertisedPort: sip.advertise?.port ?? port,
  }))
}

function gauges(counters: Counters, gateway: Gateway): void {
  for (const name of Object.keys(gateway.counts()) as (keyof ReturnType<Gateway['counts']>)[]) {
    counters.gauge(`live{kind="${name}"}`, () => gateway.counts()[name])
  }
}

function refuse(sentences: readonly string[]): never {
  for (const sentence of sentences) process.stderr.write(`rouse: ${sentence}\n`)
  process.exit(1)
}
