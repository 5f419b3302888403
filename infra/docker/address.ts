import type { NetworkInterfaceInfo } from 'node:os'

/**
 * The address at which other containers reach this one: its only IPv4 address, else its only IPv6 address, besides loopback and
 * link-local ones (ECS has one of these for its metadata).
 * @returns `undefined` when there is none or several: somebody has to say which
 */
export function containerAddress(
  interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>,
): string | undefined {
  const reachable = Object.values(interfaces)
    .flatMap((infos) => infos ?? [])
    .filter(({ internal, address }) => !internal && !/^(169\.254\.|fe80:)/i.test(address))
  const addresses = (family: string) => reachable.filter((info) => info.family === family).map((info) => info.address)
  const candidates = addresses('IPv4').length > 0 ? addresses('IPv4') : addresses('IPv6')
  return candidates.length === 1 ? candidates[0] : undefined
}
