import { BlockList, isIP } from 'node:net'
import type { Read, Reader } from '../../functions/contract/settings.ts'

export interface OutboxSettings {
  /** `SUBSCRIPTION_NETWORKS`, where webhooks may go besides the public internet, and without TLS; default nowhere. */
  networks: Networks
}

/** Networks of the operator's own. */
export interface Networks {
  readonly isEmpty: boolean
  has(address: string): boolean
}

/** Every setting that is read here. */
export const OUTBOX_SETTINGS = ['SUBSCRIPTION_NETWORKS'] as const

const NONE: Networks = { isEmpty: true, has: () => false }

export function outboxSettings(read: Reader): OutboxSettings {
  return { networks: read.value('SUBSCRIPTION_NETWORKS', networksSetting) ?? NONE }
}

function networksSetting(text: string): Read<Networks> {
  const list = new BlockList()
  for (const part of text.split(',').map((each) => each.trim())) {
    const [address = '', prefix, ...rest] = part.split('/')
    const version = isIP(address)
    const most = version === 4 ? 32 : 128
    const length = prefix === undefined ? most : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN
    if (version === 0 || rest.length > 0 || !(length <= most)) {
      const remedy = 'write for example 10.0.0.0/8,127.0.0.1'
      return { ok: false, expected: 'networks or addresses, comma separated', got: part, remedy }
    }
    list.addSubnet(address, length, version === 4 ? 'ipv4' : 'ipv6')
  }
  const has = (address: string) => isIP(address) !== 0 && list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')
  return { ok: true, value: { isEmpty: false, has } }
}
