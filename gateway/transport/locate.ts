import { isIP } from 'node:net'
import type { Clock } from '../../functions/contract/clock.ts'
import type { SipUri } from '../sip/uri.ts'
import { canonicalAddress, isIpv6 } from './addresses.ts'
import type { NaptrRecord, Resolver, SrvRecord } from './resolver.ts'
import { orderSrv } from './srv-order.ts'
import type { Destination, TransportName } from './types.ts'

export interface LocateOptions {
  clock: Clock
  /** From 0 up to but not including 1; draws among servers of one priority. */
  random: () => number
  /** What we can send over, in order of preference; default UDP, then TCP. */
  transports?: readonly TransportName[]
  /** IP families we can send to, in order of preference; default IPv4, then IPv6. */
  families?: readonly (4 | 6)[]
  /** Milliseconds all questions about one URI may take together; default 3,000. */
  timeoutMs?: number
}

const DEFAULT_TIMEOUT_MS = 3_000
/** A domain's servers that are looked up, and places that are tried, at most: what a zone may cost us is bounded. */
const MAX_SERVERS = 16
const MAX_DESTINATIONS = 32

/** A host and port to be found by its addresses; `serverName` as in Destination. */
interface Place {
  transport: TransportName
  host: string
  port: number
  serverName: string
}

/**
 * Where a URI is reached without asking anybody: an IP literal.
 * @returns `undefined` when it is a name that has to be resolved, `[]` when it cannot be reached by what we speak
 */
export function locateNow(uri: SipUri): Destination[] | undefined {
  const transport = transportOf(uri)
  if (transport === undefined) return []
  const host = targetOf(uri)
  if (isIP(host) === 0) return undefined
  const place = { transport: transport ?? 'udp', host, serverName: host }
  return [destinationAt({ ...place, port: uri.port ?? defaultPort(place.transport) }, canonicalAddress(host))]
}

/**
 * Where a URI is reached, in the order in which to try.
 * @returns `[]` when no server was found in time: the caller answers 500-class
 * @see RFC 3263 4
 */
export async function locate(uri: SipUri, resolver: Resolver, options: LocateOptions): Promise<Destination[]> {
  const known = locateNow(uri)
  if (known) return known
  const { clock, timeoutMs = DEFAULT_TIMEOUT_MS } = options
  return within(clock, timeoutMs, resolve(uri, resolver, options), [])
}

async function resolve(uri: SipUri, resolver: Resolver, options: LocateOptions): Promise<Destination[]> {
  const places = await placesOf(uri, resolver, options)
  const found = await Promise.all(places.map((place) => destinationsOf(place, resolver, options)))
  return found.flat().slice(0, MAX_DESTINATIONS)
}

/** Chooses the transport (RFC 3263 4.1) and says where its servers are to be looked for. */
async function placesOf(uri: SipUri, resolver: Resolver, options: LocateOptions): Promise<Place[]> {
  const host = targetOf(uri)
  const transports = options.transports ?? ['udp', 'tcp']
  const asked = transportOf(uri)
  if (!host || asked === undefined || (asked && !transports.includes(asked))) return []
  const transport = asked ?? transports[0] ?? 'udp'
  const fallback = { transport, host, port: uri.port ?? defaultPort(transport), serverName: host }
  if (uri.port !== undefined || isLocal(host)) return [fallback]
  const services = asked ? [serviceOf(asked, host)] : await servicesOf(host, transports, resolver)
  const servers = await Promise.all(services.map((service) => serversOf(service, host, resolver, options)))
  return servers.some((found) => found !== undefined) ? servers.flatMap((found) => found ?? []) : [fallback]
}

interface Service {
  transport: TransportName
  name: string
}

function serviceOf(transport: TransportName, domain: string): Service {
  return { transport, name: transport === 'tls' ? `_sips._tcp.${domain}` : `_sip._${transport}.${domain}` }
}

/** The services a domain offers by NAPTR; when it says nothing we can use, one for each transport of ours. */
async function servicesOf(
  domain: string,
  transports: readonly TransportName[],
  resolver: Resolver,
): Promise<Service[]> {
  const usable = (await orNothing(resolver.naptr(domain))).filter((record) => isUsable(record, transports))
  // Without NAPTR a SIP URI is looked for as `_sip` alone (RFC 3263 4.1).
  if (usable.length === 0)
    return transports.filter((transport) => transport !== 'tls').map((transport) => serviceOf(transport, domain))
  usable.sort((one, other) => one.order - other.order || one.preference - other.preference)
  // A higher order is not looked at once a lower one could be used (RFC 3403 4.1).
  return usable
    .filter((record) => record.order === usable[0]!.order)
    .slice(0, MAX_SERVERS)
    .map((record) => ({ transport: transportOfService(record)!, name: record.replacement }))
}

function isUsable(record: NaptrRecord, transports: readonly TransportName[]): boolean {
  const transport = transportOfService(record)
  return record.flags.toLowerCase() === 's' && transport !== undefined && transports.includes(transport)
}

function transportOfService(record: NaptrRecord): TransportName | undefined {
  const service = record.service.toUpperCase()
  return service === 'SIP+D2U' ? 'udp' : service === 'SIP+D2T' ? 'tcp' : service === 'SIPS+D2T' ? 'tls' : undefined
}

/**
 * The servers of one service in the order to try them; `undefined` when it has no SRV records at all. Whoever they are, their certificates
 * name the domain that was asked for (RFC 5922 7.2).
 */
async function serversOf(
  service: Service,
  domain: string,
  resolver: Resolver,
  { random }: LocateOptions,
): Promise<Place[] | undefined> {
  const records = await orNothing(resolver.srv(service.name))
  if (records.length === 0) return undefined
  // The target "." says that the service is decidedly not there (RFC 2782).
  const offered = records.filter((record) => record.target !== '' && record.target !== '.')
  return orderSrv(offered.slice(0, MAX_SERVERS), random).map((record) => placeOf(service.transport, record, domain))
}

function placeOf(transport: TransportName, record: SrvRecord, serverName: string): Place {
  return { transport, host: record.target, port: record.port, serverName }
}

async function destinationsOf(place: Place, resolver: Resolver, options: LocateOptions): Promise<Destination[]> {
  const families = options.families ?? [4, 6]
  const addresses = await orNothing(resolver.addresses(place.host))
  return families.flatMap((family) =>
    addresses
      .filter((address) => (isIpv6(address) ? 6 : 4) === family)
      .map((address) => destinationAt(place, canonicalAddress(address))),
  )
}

function destinationAt({ transport, port, serverName }: Place, remoteAddress: string): Destination {
  const destination = { transport, remoteAddress, remotePort: port }
  return transport === 'tls' ? { ...destination, serverName } : destination
}

/**
 * The transport a URI asks for: null when it leaves it to us, undefined when it is none of ours. `sips` is never sent over a plain transport
 * (RFC 3261 26.2.2, RFC 5630 3.3).
 */
export function transportOf({ scheme, params }: SipUri): TransportName | null | undefined {
  const asked = params.get('transport')?.toLowerCase()
  if (scheme === 'sips') return !asked || asked === 'tcp' || asked === 'tls' ? 'tls' : undefined
  if (scheme !== 'sip') return undefined
  if (!asked) return null
  return asked === 'udp' || asked === 'tcp' || asked === 'tls' ? asked : undefined
}

function defaultPort(transport: TransportName): number {
  return transport === 'tls' ? 5061 : 5060
}

/** RFC 3263 4: the maddr parameter, else the host. */
function targetOf(uri: SipUri): string {
  const maddr = uri.params.get('maddr')
  if (!maddr) return uri.host
  return maddr.startsWith('[') && maddr.endsWith(']') ? maddr.slice(1, -1) : maddr
}

/** Names of this machine alone: the DNS is not asked about them (RFC 6761 6.3). */
function isLocal(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost')
}

/** A question nobody answers is one without records: what follows in RFC 3263 is tried. */
async function orNothing<Answer>(answer: Promise<Answer[]>): Promise<Answer[]> {
  try {
    return await answer
  } catch {
    return []
  }
}

function within<Value>(clock: Clock, ms: number, value: Promise<Value>, otherwise: Value): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () => resolve(otherwise))
    value.then(resolve, reject).finally(() => timer.cancel())
  })
}
