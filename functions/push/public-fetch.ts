import { lookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { Agent, fetch as undiciFetch } from 'undici'

/** A fetch for addresses that strangers name. Node only: what a name leads to is looked at before a connection is made. */

export interface PublicFetchOptions {
  /** PEM of who has signed the servers' certificates, where that is not one everybody knows. */
  ca?: string
  /** Default `isPublic`. */
  isAllowed?: (address: string) => boolean
}

export interface PublicFetch {
  fetch: typeof fetch
  close(): Promise<void>
}

/** Connects to public addresses only, and to the very address that was looked at. */
export function publicFetch({ ca, isAllowed = isPublic }: PublicFetchOptions = {}): PublicFetch {
  const agent = new Agent({ connect: { lookup: allowedLookup(isAllowed), ...(ca === undefined ? {} : { ca }) } })
  const ask = async (input: URL | string, init: RequestInit) => {
    // A literal address is not looked up.
    const host = new URL(input).hostname.replace(/^\[(.*)\]$/, '$1')
    if (isIP(host) !== 0 && !isAllowed(host)) throw new Error('this address is not public')
    return undiciFetch(input, { ...(init as object), dispatcher: agent })
  }
  return { fetch: ask as unknown as typeof fetch, close: () => agent.close() }
}

function allowedLookup(isAllowed: (address: string) => boolean): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '', 0)
      const allowed = addresses.filter(({ address }) => isAllowed(address))
      const [first] = allowed
      if (!first) return callback(new Error(`${hostname} has no public address`), '', 0)
      if (options.all) return callback(null, allowed)
      callback(null, first.address, first.family)
    })
  }
}

/** Networks that are not the internet's (IANA's special-purpose registries). */
const SPECIAL = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
]

const special = new BlockList()
for (const network of SPECIAL) {
  const [address = '', prefix] = network.split('/')
  special.addSubnet(address, Number(prefix), 'ipv4')
}

/** Global unicast, less what is written about or leads into IPv4. */
const global6 = new BlockList()
global6.addSubnet('2000::', 3, 'ipv6')
const special6 = new BlockList()
for (const [address, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  special6.addSubnet(address, prefix, 'ipv6')

/** Whether an address is one of the public internet; a name is not. */
export function isPublic(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !special.check(address, 'ipv4')
    case 6:
      return global6.check(address, 'ipv6') && !special6.check(address, 'ipv6')
    default:
      return false
  }
}
