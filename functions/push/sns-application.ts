import type { PushMessage } from '../contract/push.ts'
import { type AppleDevice, readAppleDevice } from './apple-device.ts'

export const SNS_PLATFORMS = ['GCM', 'APNS', 'APNS_SANDBOX', 'APNS_VOIP', 'APNS_VOIP_SANDBOX'] as const
export type SnsPlatform = (typeof SNS_PLATFORMS)[number]

/** A platform application of SNS. */
export interface SnsApplication {
  arn: string
  region: string
  platform: SnsPlatform
}

/** The platform is in the ARN: `arn:aws:sns:eu-west-1:123456789012:app/GCM/name`. */
export function readApplicationArn(arn: string): SnsApplication | undefined {
  const [, region, platform] = /^arn:[\w-]+:sns:([\w-]+):\d{12}:app\/(\w+)\/[\w.-]{1,256}$/.exec(arn) ?? []
  const known = SNS_PLATFORMS.find((name) => name === platform)
  return region && known ? { arn, region, platform: known } : undefined
}

export function isVoip({ platform }: SnsApplication): boolean {
  return platform === 'APNS_VOIP' || platform === 'APNS_VOIP_SANDBOX'
}

/**
 * The tokens of an iPhone of which there is an application to send by. Without `pn-param`, and with a single application, the token is that
 * application's.
 */
export function appleDeviceOf(message: PushMessage, applications: readonly SnsApplication[]): AppleDevice | undefined {
  const [only] = applications
  if (message.param === '' && applications.length === 1 && only) {
    return { bundle: '', [isVoip(only) ? 'voip' : 'remote']: message.prid }
  }
  const device = readAppleDevice(message)
  if (!device) return undefined
  const { voip, remote, ...rest } = device
  return {
    ...rest,
    ...(voip !== undefined && applications.some(isVoip) ? { voip } : {}),
    ...(remote !== undefined && applications.some((application) => !isVoip(application)) ? { remote } : {}),
  }
}
