import type { Clock, IdSource } from '../../functions/contract/clock.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Store } from '../../functions/store/store.ts'
import type { Charging } from '../cgrates/charging.ts'
import type { Peers } from '../cluster/peers.ts'
import type { Goodbyes } from '../dialog/goodbyes.ts'
import type { HangupParts } from '../dialog/hangup.ts'
import type { DialogTable } from '../dialog/table.ts'
import type { CallKiller } from '../freeswitch/freeswitch.ts'
import type { Media } from '../media/types.ts'
import type { Log } from '../observe/log.ts'
import type { Watcher } from '../observe/watcher.ts'
import type { Identity } from '../proxy/identity.ts'
import type { ProxyCore } from '../proxy/proxy.ts'
import type { PushMetrics } from '../push/metrics.ts'
import type { Pusher } from '../push/types.ts'
import type { Waker } from '../push/waker.ts'
import type { Registrar } from '../registrar/registrar.ts'
import type { TimerQueue } from '../transaction/timer-queue.ts'
import type { Nonces } from './credentials.ts'
import type { Elsewhere } from './elsewhere.ts'
import type { Farewells } from './farewells.ts'
import type { Invoker } from './invoker.ts'
import type { ManifestCache } from './invoker-manifest.ts'
import type { Writing } from './writing.ts'

/** What a call needs of the gateway around it. */
export interface CallParts {
  gatewayId: string
  store: Store
  clock: Clock
  ids: IdSource
  timers: TimerQueue
  proxy: ProxyCore
  identity: Identity
  peers: Peers
  invoker: Invoker
  manifest: ManifestCache
  registrar: Registrar
  pusher: Pusher
  pushMetrics: PushMetrics
  farewells: Farewells
  elsewhere: Elsewhere
  /** Another process goes on with calls when this one ends. */
  callsOutlive: boolean
  goodbyes: Goodbyes | undefined
  waker: Waker
  dialogs: DialogTable
  hangup: HangupParts
  nonces: Nonces
  writing: Writing
  /** Absent: all media goes directly. */
  media?: Media | undefined
  /** Absent: no billing system is set. */
  charging?: Charging | undefined
  /** Ends calls where their media is; absent: nobody does. */
  killer?: CallKiller | undefined
  /**
   * Publishes events of the gateway itself; trouble is logged, never thrown.
   * @param callId of the request that has caused them, where their attributes do not say
   */
  publish(events: RouseEvent[], callId?: string): void
  /** See invocations as they end, and what calls do by themselves. */
  watchers: readonly Watcher[]
  count(series: string): void
  /** Something threw that should not have: told once. */
  onBug(error: unknown): void
  log: Log
}
