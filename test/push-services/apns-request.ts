import { isObject } from './jws.ts'

/** What APNs says of headers and payload of a notification request: pure, no token, no device. */

/** The `reason` of Apple's table with its status. */
export const STATUS_OF = {
  BadCollapseId: 400,
  BadDeviceToken: 400,
  BadExpirationDate: 400,
  BadMessageId: 400,
  BadPriority: 400,
  BadTopic: 400,
  DeviceTokenNotForTopic: 400,
  DuplicateHeaders: 400,
  InvalidPushType: 400,
  MissingDeviceToken: 400,
  MissingTopic: 400,
  PayloadEmpty: 400,
  TopicDisallowed: 400,
  ExpiredProviderToken: 403,
  InvalidProviderToken: 403,
  MissingProviderToken: 403,
  BadPath: 404,
  MethodNotAllowed: 405,
  ExpiredToken: 410,
  Unregistered: 410,
  PayloadTooLarge: 413,
  TooManyProviderTokenUpdates: 429,
  TooManyRequests: 429,
  InternalServerError: 500,
  ServiceUnavailable: 503,
  Shutdown: 503,
} as const
export type Reason = keyof typeof STATUS_OF

/** What follows the bundle ID in the topic of each push type. */
const TOPIC_SUFFIX: Record<string, string> = {
  alert: '',
  background: '',
  voip: '.voip',
  complication: '.complication',
  fileprovider: '.pushkit.fileprovider',
  location: '.location-query',
  liveactivity: '.push-type.liveactivity',
  pushtotalk: '.voip-ptt',
}
const MOST_COLLAPSE_ID_BYTES = 64
const MOST_BYTES = 4_096
const MOST_VOIP_BYTES = 5_120

/**
 * @param header  value of a request header, undefined when it is absent
 * @param bundles bundle IDs that the provider token's team may push to
 */
export function headerProblem(
  header: (name: string) => string | undefined,
  bundles: readonly string[],
): Reason | undefined {
  const id = header('apns-id')
  if (id !== undefined && !isMessageId(id)) return 'BadMessageId'
  if (!/^(0|[1-9]\d{0,9})$/.test(header('apns-expiration') ?? '0')) return 'BadExpirationDate'
  const priority = header('apns-priority') ?? '10'
  if (!['1', '5', '10'].includes(priority)) return 'BadPriority'
  if (Buffer.byteLength(header('apns-collapse-id') ?? '') > MOST_COLLAPSE_ID_BYTES) return 'BadCollapseId'
  const type = header('apns-push-type') ?? ''
  const suffix = TOPIC_SUFFIX[type]
  if (suffix === undefined) return 'InvalidPushType'
  // "Always use priority 5. Using priority 10 is an error."
  if (type === 'background' && priority !== '5') return 'BadPriority'
  const topic = header('apns-topic')
  if (!topic) return 'MissingTopic'
  if (!/^[\w-]+(\.[\w-]+)*$/.test(topic)) return 'BadTopic'
  const bundle = bundles.find((id) => topic === id || topic.startsWith(`${id}.`))
  if (bundle === undefined) return 'TopicDisallowed'
  return topic === `${bundle}${suffix}` ? undefined : 'BadTopic'
}

/** @returns whether this is a UUID in canonical form */
export function isMessageId(id: string): boolean {
  return /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id)
}

/** @param pushType one that `headerProblem` let through */
export function payloadProblem(body: Buffer, pushType: string): Reason | undefined {
  if (body.length === 0) return 'PayloadEmpty'
  if (body.length > (pushType === 'voip' ? MOST_VOIP_BYTES : MOST_BYTES)) return 'PayloadTooLarge'
  const payload = payloadOf(body)
  if (!payload) return 'PayloadEmpty'
  const aps = isObject(payload.aps) ? payload.aps : {}
  const isShown = ['alert', 'sound', 'badge'].some((key) => aps[key] !== undefined)
  if (pushType === 'background' && (isShown || aps['content-available'] !== 1)) return 'InvalidPushType'
  if (pushType === 'alert' && !isShown) return 'InvalidPushType'
  return undefined
}

export function payloadOf(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString())
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
