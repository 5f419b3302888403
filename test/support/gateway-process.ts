import type { Action } from '../../functions/contract/actions.ts'
import type { Clock, IdSource } from '../../functions/contract/clock.ts'
import type { Store } from '../../functions/store/store.ts'
import { Cgrates } from '../../gateway/cgrates/cgrates.ts'
import type { CgratesSettings } from '../../gateway/cgrates/settings.ts'
import type { CallKiller } from '../../gateway/freeswitch/freeswitch.ts'
import { type Gateway, type GatewayOptions, startGateway } from '../../gateway/gateway.ts'
import type { FunctionHost } from '../../gateway/invocation/host.ts'
import { createInvoker, type InvokerOptions } from '../../gateway/invocation/invoker.ts'
import { createManifest } from '../../gateway/invocation/invoker-manifest.ts'
import type { Sockets } from '../../gateway/media/rtpengines.ts'
import { Rtpengines } from '../../gateway/media/rtpengines.ts'
import type { MediaSettings } from '../../gateway/media/settings.ts'
import type { Counters } from '../../gateway/observe/counters.ts'
import { type Log, silentLog } from '../../gateway/observe/log.ts'
import type { Watcher } from '../../gateway/observe/watcher.ts'
import type { PushSender } from '../../gateway/push/types.ts'
import { locate, locateNow } from '../../gateway/transport/locate.ts'
import type { Resolver } from '../../gateway/transport/resolver.ts'
import type { Tap } from '../../gateway/transport/tap.ts'
import type { Network } from '../../gateway/transport/types.ts'
import type { CgratesStandIn } from './cgrates.ts'
import { Life } from './life.ts'

const CGRATES_DEFAULTS: CgratesSettings = {
  address: { kind: 'tcp', host: 'cgrates', port: 2014 },
  tenant: 'cgrates.org',
  away: 'refuse',
  intervalMs: 30_000,
  timeoutMs: 2000,
}
const noHttp = () => () => Promise.reject(new Error('no HTTP here'))

/** What one process of a gateway reaches the world by. */
export interface Surroundings {
  clock: Clock
  ids: IdSource
  network: Network
  store: Store
  /** How it reaches the store; absent: as it is. */
  link: ((store: Store, clock: Clock) => Store) | undefined
  resolver: Resolver
  primary: FunctionHost
  fallback: FunctionHost | undefined
  staticActions: Action[] | undefined
  /** What is not as usual about how functions are asked. */
  invoker?: Partial<InvokerOptions> | undefined
  push: PushSender
  /** Who may end calls instead of it. */
  killer?: CallKiller | undefined
  /** The rtpengines it has, and how it reaches them; absent: none. */
  media?: { settings: MediaSettings; sockets: Sockets; callsOutlive: boolean } | undefined
  /** The billing system. */
  cgrates?: { standIn: CgratesStandIn; settings?: Partial<CgratesSettings> } | undefined
  /** Who sees its messages, and what else it does. */
  taps?: readonly Tap[] | undefined
  watchers?: readonly Watcher[] | undefined
  counters: Counters
  /** Where lines below an error go; absent: nowhere. */
  log?: Log | undefined
  onError(message: string): void
}

/** A gateway that can be killed: what it had begun comes to nothing, and the world goes on without it. */
export class GatewayProcess {
  readonly gateway: Gateway
  readonly #life: Life
  readonly #manifest: ReturnType<typeof createManifest>
  /** Its rtpengines, when it has any. */
  readonly rtpengines: Rtpengines | undefined
  readonly cgrates: Cgrates | undefined

  private constructor(
    gateway: Gateway,
    life: Life,
    manifest: ReturnType<typeof createManifest>,
    rtpengines: Rtpengines | undefined,
    cgrates: Cgrates | undefined,
  ) {
    this.rtpengines = rtpengines
    this.gateway = gateway
    this.#life = life
    this.#manifest = manifest
    this.cgrates = cgrates
  }

  static async start(options: GatewayOptions, around: Surroundings): Promise<GatewayProcess> {
    const life = new Life()
    const clock = life.clock(around.clock)
    const { counters, resolver, staticActions, ids } = around
    const common = { clock, count: counters.count, log: silentLog }
    const primary = life.host(around.primary)
    const fallback = around.fallback && life.host(around.fallback)
    const gauge = (series: string, read: () => number) => counters.gauge(series, read)
    const invoker = createInvoker({ primary, fallback, staticActions, gauge, ...common, ...around.invoker })
    const manifest = createManifest({ host: primary, refreshMs: 24 * 3_600_000, ...common })
    await manifest.start()
    const log: Log = { ...(around.log ?? silentLog), error: (message) => around.onError(message) }
    const store = around.link ? around.link(life.store(around.store), clock) : life.store(around.store)
    const random = () => 0.5
    const { media } = around
    const rtpengines =
      media &&
      new Rtpengines(
        media.settings,
        { clock, ids, random, store, counters, log, watchers: [], callsOutlive: media.callsOutlive },
        life.sockets(media.sockets),
      )
    const cgrates =
      around.cgrates &&
      new Cgrates({
        ...{ store, clock, counters, log, random: () => 0.5, gatewayId: options.id },
        settings: { ...CGRATES_DEFAULTS, ...around.cgrates.settings },
        network: { connect: (...at) => life.connect(around.cgrates!.standIn.connect(...at)), post: noHttp },
      })
    const gateway = await startGateway({
      options,
      clock,
      ids,
      network: life.network(around.network),
      store,
      locator: { locateNow, locate: (uri) => locate(uri, resolver, { clock, random: () => 0 }) },
      invoker,
      manifest,
      push: life.push(around.push),
      media: rtpengines?.media,
      random,
      counters,
      log,
      charging: cgrates,
      killer: around.killer,
      taps: around.taps ?? [],
      watchers: around.watchers ?? [],
    })
    await rtpengines?.start()
    cgrates?.start()
    return new GatewayProcess(gateway, life, manifest, rtpengines, cgrates)
  }

  /** Ends it without any goodbye. */
  kill(): void {
    this.#manifest.stop()
    this.#life.end()
  }

  async stop(): Promise<void> {
    this.#manifest.stop()
    await this.gateway.stop()
    await this.rtpengines?.stop()
    await this.cgrates?.stop()
  }
}
