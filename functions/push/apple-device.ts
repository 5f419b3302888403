import type { PushMessage } from '../contract/push.ts'

/** The tokens an iPhone has given: of PushKit, which rings, and of ordinary notifications. Either may be missing. */
export interface AppleDevice {
  /** The app's bundle id: the topic of its notifications, and with `.voip` that of its VoIP pushes. */
  bundle: string
  voip?: string
  remote?: string
}

export type AppleService = 'voip' | 'remote'

/**
 * Reads `pn-param` and `pn-prid` of an iPhone. RFC 8599 has `TEAM.bundle.id.voip` and one token; phones also write the service `remote` or none
 * for ordinary notifications, and with two services two tokens: `TEAM.bundle.id.voip&remote` and `token:voip&token:remote`.
 * @returns undefined when they are none of these
 */
export function readAppleDevice({ param, prid }: Pick<PushMessage, 'param' | 'prid'>): AppleDevice | undefined {
  const [, bundle, written] = /^[^.]+\.(.+?)(?:\.((?:voip|remote)(?:&(?:voip|remote))?))?$/.exec(param) ?? []
  if (bundle === undefined) return undefined
  const services = (written?.split('&') ?? ['remote']) as AppleService[]
  const device: AppleDevice = { bundle }
  for (const part of prid.split('&')) {
    const [, token, named] = /^([^:]+)(?::(voip|remote))?$/.exec(part) ?? []
    const service = (named ?? (services.length === 1 ? services[0] : undefined)) as AppleService | undefined
    // The token becomes part of a path.
    if (token === undefined || service === undefined || !/^[A-Za-z0-9_-]{1,400}$/.test(token)) return undefined
    device[service] = token
  }
  return device
}

export const APPLE_PARAMETERS =
  'expected pn-param as TEAM.bundle.id, with .voip, .remote or .voip&remote after it, and pn-prid as a token of each'
