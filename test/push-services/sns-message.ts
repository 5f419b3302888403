import { schemaViolations, valueViolations } from './fcm-message.ts'
import { isObject } from './jws.ts'

/** Message and attributes of a Publish to a mobile endpoint: what SNS says before it takes them, and what the platform says after. */

export type Platform = 'GCM' | 'APNS' | 'APNS_SANDBOX' | 'APNS_VOIP' | 'APNS_VOIP_SANDBOX'

export interface Fault {
  status: number
  code: string
  message: string
}

/** What goes to the device. */
export interface Outgoing {
  /** key of the message that was used: that of the platform, or `default` */
  entry: string
  text: string
}

const MOST_BYTES = 262_144
const PUSH_TYPES = [
  'alert',
  'background',
  'complication',
  'fileprovider',
  'liveactivity',
  'location',
  'mdm',
  'pushtotalk',
  'voip',
]
const isTtl = (value: string) => /^\d{1,7}$/.test(value) && Number(value) <= 2_419_200
const TTL_PLATFORMS = [
  'ADM',
  'APNS',
  'APNS_MDM',
  'APNS_MDM_SANDBOX',
  'APNS_PASSBOOK',
  'APNS_PASSBOOK_SANDBOX',
  'APNS_SANDBOX',
  'APNS_VOIP',
  'APNS_VOIP_SANDBOX',
  'BAIDU',
  'FCM',
  'GCM',
  'MACOS',
  'MACOS_SANDBOX',
  'MPNS',
  'WNS',
]
/** The reserved message attributes for mobile push and the values they take. */
const RESERVED: Record<string, (value: string) => boolean> = {
  ...Object.fromEntries(TTL_PLATFORMS.map((platform) => [`AWS.SNS.MOBILE.${platform}.TTL`, isTtl])),
  'AWS.SNS.MOBILE.APNS.PUSH_TYPE': (value) => PUSH_TYPES.includes(value),
  'AWS.SNS.MOBILE.APNS.PRIORITY': (value) => ['1', '5', '10'].includes(value),
  'AWS.SNS.MOBILE.APNS.TOPIC': (value) => /^[\w-]+(\.[\w-]+)*$/.test(value),
  'AWS.SNS.MOBILE.APNS.COLLAPSE_ID': (value) => Buffer.byteLength(value) <= 64,
}

/** @returns what is sent to a device of this platform, or why SNS takes nothing */
export function outgoing(message: string, structure: string | undefined, platform: Platform): Outgoing | Fault {
  if (message === '') return invalid('Empty message')
  if (Buffer.byteLength(message) > MOST_BYTES) return invalid('Message too long')
  if (structure === undefined) return { entry: 'default', text: message }
  if (structure !== 'json') return invalid(`MessageStructure Reason: '${structure}' is not json`)
  const entries = parse(message)
  if (!isObject(entries)) return invalid('Message Structure - JSON message body failed to parse')
  if (typeof entries.default !== 'string') return invalid('Message Structure - No default entry in JSON message body')
  const text = entries[platform]
  // "Non-string values will cause the key to be ignored."
  if (typeof text !== 'string') return { entry: 'default', text: entries.default }
  const payload = parse(text)
  const malformed = `Message Reason: Invalid notification for protocol ${platform}: Notification is malformed`
  if (!isObject(payload)) return invalid(malformed)
  const isV1 = payload.fcmV1Message !== undefined
  if (isV1 && !(isObject(payload.fcmV1Message) && isObject(payload.fcmV1Message.message))) return invalid(malformed)
  return { entry: platform, text }
}

/** @param attributes names, data types and values as they came */
export function attributeFault(
  attributes: readonly { name: string; type: string; value: string }[],
): Fault | undefined {
  const seen = new Set<string>()
  for (const { name, type, value } of attributes) {
    if (!/^[\w.-]{1,256}$/.test(name)) return valueFault(`The message attribute name '${name}' is not valid.`)
    if (seen.has(name)) return valueFault(`The message attribute name '${name}' is given twice.`)
    seen.add(name)
    if (!/^(String|String\.Array|Number|Binary)$/.test(type))
      return valueFault(
        `The message attribute '${name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.`,
      )
    if (value === '')
      return valueFault(
        `The message attribute '${name}' must contain non-empty message attribute value for message attribute type '${type}'.`,
      )
    if (!/^(AWS|Amazon)\./i.test(name)) continue
    const isGood = RESERVED[name]
    if (!isGood) return valueFault(`The message attribute name '${name}' is reserved.`)
    if (type === 'Binary' || !isGood(value))
      return valueFault(`The message attribute '${name}' does not take the value '${value}'.`)
  }
  return undefined
}

/** @returns why the platform behind SNS refuses what SNS took; SNS tells nobody but its delivery status log */
export function deliveryFault(
  { text, entry }: Outgoing,
  platform: Platform,
  pushType: string | undefined,
): string | undefined {
  if (entry === 'default') return undefined
  const payload = parse(text) as Record<string, unknown>
  if (platform === 'GCM') return fcmFault(payload)
  const isVoip = platform.startsWith('APNS_VOIP')
  if (Buffer.byteLength(text) > (isVoip ? 5_120 : 4_096)) return 'PayloadTooLarge'
  if (pushType !== undefined && isVoip !== (pushType === 'voip')) return 'InvalidPushType'
  return isVoip || isObject(payload.aps) ? undefined : 'the payload has no aps'
}

function fcmFault({ fcmV1Message }: Record<string, unknown>): string | undefined {
  // The legacy form: SNS itself turns it into a message of the HTTP v1 API.
  if (!isObject(fcmV1Message)) return undefined
  const message = fcmV1Message.message as Record<string, unknown>
  const violations = [...schemaViolations(fcmV1Message), ...valueViolations({ token: 'of the endpoint', ...message })]
  return violations.map(({ description }) => description).join('\n') || undefined
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A parameter that does not hold; the SDK calls it `InvalidParameterException`. */
export function invalid(what: string): Fault {
  return { status: 400, code: 'InvalidParameter', message: `Invalid parameter: ${what}` }
}

function valueFault(message: string): Fault {
  return { status: 400, code: 'ParameterValueInvalid', message }
}
