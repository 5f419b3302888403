import { isIP } from 'node:net'
import { Amqp, type AmqpParts } from './amqp/amqp.ts'
import { connector } from './amqp/connect.ts'
import { Cgrates } from './cgrates/cgrates.ts'
import type { Charging } from './cgrates/charging.ts'
import { httpPost, tcpConnect } from './cgrates/node-wire.ts'
import type { Config } from './config.ts'
import { type CallKiller, Freeswitch } from './freeswitch/freeswitch.ts'
import { connectNode } from './freeswitch/node-wire.ts'
import { Hep } from './hep/hep.ts'
import { nodeLink } from './hep/node-link.ts'
import type { Integration, IntegrationParts } from './integration/integration.ts'
import { Rtpengines } from './media/rtpengines.ts'
import type { Media } from './media/types.ts'
import { openUdpEar, openUdpLink } from './media/udp-link.ts'
import type { Watcher } from './observe/watcher.ts'
import type { OwnSubscription, Sink } from './outbox/sink.ts'
import { isWildcard } from './transport/addresses.ts'
import type { Tap } from './transport/tap.ts'
import type { Address } from './transport/types.ts'

/** Those that are on, and what they are for the gateway. */
export interface OpenIntegrations {
  /** In the order in which they start. */
  all: Integration[]
  taps: Tap[]
  watchers: Watcher[]
  /** Relays media; undefined when nothing does. */
  media: Media | undefined
  /** What subscriptions may deliver to, and those that settings ask for. */
  sinks: Sink[]
  own: OwnSubscription[]
  /** The billing system that calls ask; absent: none is set. */
  charging?: Charging
  /** Ends calls where their media is; absent: nobody does. */
  killer?: CallKiller
}

/** One integration for each setting that is there. */
export function openIntegrations(
  settings: Config,
  parts: IntegrationParts & Pick<AmqpParts, 'hand'>,
): OpenIntegrations {
  const { integrations, gateway, redisUrl } = settings
  const open: OpenIntegrations = { all: [], taps: [], watchers: [], sinks: [], own: [], media: undefined }
  if (integrations.hep) {
    const hep = new Hep({
      ...parts,
      settings: integrations.hep,
      open: nodeLink(integrations.hep.url),
      own: ownAddress(settings),
      functions: functionsAddress(settings),
    })
    open.all.push(hep)
    open.taps.push(hep)
    open.watchers.push(hep)
  }
  if (integrations.rtpengine) {
    const sockets = { openLink: openUdpLink, openEar: openUdpEar }
    const more = { watchers: open.watchers, callsOutlive: redisUrl !== undefined }
    const rtpengines = new Rtpengines(integrations.rtpengine, { ...parts, ...more }, sockets)
    open.all.push(rtpengines)
    open.media = rtpengines.media
  }
  if (integrations.cgrates) {
    const network = { connect: tcpConnect, post: httpPost }
    const cgrates = new Cgrates({ ...parts, settings: integrations.cgrates, gatewayId: gateway.id, network })
    open.all.push(cgrates)
    open.charging = cgrates
  }
  if (integrations.amqp) {
    const amqp = new Amqp(integrations.amqp, { ...parts, connect: connector(integrations.amqp, gateway.id) })
    open.all.push(amqp)
    open.sinks.push(amqp.sink)
    open.own.push(...amqp.own)
  }
  if (integrations.freeswitch) {
    const freeswitch = new Freeswitch(integrations.freeswitch, { ...parts, connect: connectNode })
    open.all.push(freeswitch)
    open.killer = freeswitch
  }
  return open
}

/** What SIP reaches this gateway at, by its first listener. */
function ownAddress({ sip: { listen, advertise }, gateway }: Config): Address {
  const { host, port } = listen[0]!
  if (!isWildcard(host)) return { address: host, port }
  const isAdvertised = advertise !== undefined && isIP(advertise.host) !== 0
  return { address: isAdvertised ? advertise.host : (gateway.address ?? host), port }
}

/** Where the functions are: of a name, which is not looked up for it, and of a module, the gateway's own address. */
function functionsAddress(settings: Config): Address {
  const { source } = settings.functions
  const { address } = ownAddress(settings)
  if (source.kind === 'module') return { address, port: settings.http.port }
  const { protocol, hostname, port } = new URL(source.url)
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  return { address: isIP(host) === 0 ? address : host, port: Number(port) || (protocol === 'https:' ? 443 : 80) }
}
