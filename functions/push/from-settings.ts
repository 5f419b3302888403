import type { Fault } from '../contract/settings.ts'
import type { ApnsSend } from './apns.ts'
import { APNS_ENDPOINT, APNS_SANDBOX_ENDPOINT, apnsProvider } from './apns.ts'
import { ApnsToken } from './apns-token.ts'
import type { Deadline } from './deadline.ts'
import type { EndpointCache } from './endpoint-cache.ts'
import { fcmProvider } from './fcm.ts'
import type { PushProvider } from './provider.ts'
import type { PushSettings } from './settings.ts'
import type { SnsOptions } from './sns.ts'
import { webPushProvider } from './webpush.ts'

/** What only some platforms can do; `nodePlatform` has all of it. */
export interface PushPlatform {
  /** HTTP/2 to Apple. */
  apns?(origin: string): ApnsSend
  /** SNS, by the AWS SDK. */
  sns?(options: SnsOptions): PushProvider
  /** For hosts that phones name; default the platform's fetch. */
  publicFetch?: typeof fetch
}

export interface ProviderParts extends Deadline {
  platform: PushPlatform
  /** Where SNS endpoints are remembered; default in this process. */
  endpoints?: EndpointCache | undefined
}

/** The providers by their `pn-provider`. */
export function providersFrom(settings: PushSettings, parts: ProviderParts): Record<string, PushProvider> {
  const { platform, clock, timeoutMs, endpoints } = parts
  const deadline = { clock, timeoutMs }
  const { sns, fcm, apns, webPush } = settings
  const providers: Record<string, PushProvider> = {}
  if (platform.sns) {
    for (const [name, applications] of sns)
      providers[name] = platform.sns({ applications, ...deadline, ...(endpoints ? { endpoints } : {}) })
  }
  if (fcm) providers.fcm = fcmProvider({ ...fcm, ...deadline })
  if (apns && platform.apns) {
    const token = new ApnsToken(apns, clock)
    const sandbox = apnsProvider({ token, send: platform.apns(apns.endpoint ?? APNS_SANDBOX_ENDPOINT), ...deadline })
    providers['apns.dev'] = sandbox
    providers.apns = apns.isSandbox
      ? sandbox
      : apnsProvider({ token, send: platform.apns(apns.endpoint ?? APNS_ENDPOINT), ...deadline })
  }
  if (webPush) providers.webpush = webPushProvider({ ...webPush, ...deadline, fetch: platform.publicFetch })
  return providers
}

/** Settings for what this platform cannot do. */
export function platformFaults({ sns, apns }: PushSettings, platform: PushPlatform): Fault[] {
  const faults: Fault[] = []
  const remedy = 'run the push function on Node or AWS Lambda (rouse/push/node)'
  if (sns.size > 0 && !platform.sns) {
    const message = `SNS_PLATFORM_APPLICATIONS: expected nothing here, where the AWS SDK does not run; ${remedy}, or push to FCM directly`
    faults.push({ setting: 'SNS_PLATFORM_APPLICATIONS', message })
  }
  if (apns && !platform.apns) {
    const message = `APNS_KEY: expected nothing here, where there is no HTTP/2 to Apple; ${remedy}`
    faults.push({ setting: 'APNS_KEY', message })
  }
  return faults
}
