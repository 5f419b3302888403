import { isIP } from 'node:net'

/** Addresses as octets, as packets carry them. */

/** Peers whose octets are kept; when there are more, all are made anew. */
const MOST_KEPT = 4096
const kept = new Map<string, Buffer>()

/** Four octets, or sixteen; `undefined` for what is no IP address. An IPv4 address written as an IPv6 one stays an IPv6 one. */
export function octetsOfIp(address: string): Buffer | undefined {
  const known = kept.get(address)
  if (known) return known
  const plain = address.split('%', 1)[0]!
  const family = isIP(plain)
  if (family === 0) return undefined
  const octets = Buffer.from(family === 4 ? octetsOf4(plain) : octetsOf6(plain))
  if (kept.size >= MOST_KEPT) kept.clear()
  kept.set(address, octets)
  return octets
}

function octetsOf4(address: string): number[] {
  return address.split('.').map(Number)
}

function octetsOf6(address: string): number[] {
  const [before = '', after] = address.split('::')
  const head = groupsOf(before)
  if (after === undefined) return head
  const tail = groupsOf(after)
  return [...head, ...new Array<number>(16 - head.length - tail.length).fill(0), ...tail]
}

function groupsOf(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return octetsOf4(group)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}
