import { isObject } from './jws.ts'

/** The request of `projects.messages.send` (FCM HTTP v1), checked against its published schema. */

export interface Violation {
  /** path of the field, `message.android.ttl` */
  field: string
  description: string
}

type Fields = { readonly [name: string]: Kind }
type Scalar = 'string' | 'boolean' | 'integer' | 'number' | 'duration' | 'map' | 'struct'
type Kind =
  | Scalar
  | { readonly type: string; readonly values: readonly string[] }
  | { readonly list: Kind }
  | { readonly fields: Fields }

const FCM = 'type.googleapis.com/google.firebase.fcm.v1.'
const SCALARS: Record<Scalar, { type: string; isGood: (value: unknown) => boolean }> = {
  string: { type: 'TYPE_STRING', isGood: (value) => typeof value === 'string' },
  boolean: { type: 'TYPE_BOOL', isGood: (value) => typeof value === 'boolean' },
  integer: { type: 'TYPE_INT32', isGood: Number.isInteger },
  number: { type: 'TYPE_FLOAT', isGood: (value) => typeof value === 'number' },
  map: { type: 'TYPE_MESSAGE', isGood: isObject },
  struct: { type: 'type.googleapis.com/google.protobuf.Struct', isGood: isObject },
  duration: {
    type: 'type.googleapis.com/google.protobuf.Duration',
    isGood: (value) => typeof value === 'string' && /^\d+(\.\d{1,9})?s$/.test(value),
  },
}
const NOTIFICATION: Fields = { title: 'string', body: 'string', image: 'string' }
const LABEL: Fields = { analyticsLabel: 'string' }
const COLOR: Fields = { red: 'number', green: 'number', blue: 'number', alpha: 'number' }
const LIGHT: Fields = { color: { fields: COLOR }, lightOnDuration: 'duration', lightOffDuration: 'duration' }
const ANDROID_NOTIFICATION: Fields = {
  ...NOTIFICATION,
  ...Object.fromEntries(
    [
      'icon',
      'color',
      'sound',
      'tag',
      'clickAction',
      'bodyLocKey',
      'titleLocKey',
      'channelId',
      'ticker',
      'eventTime',
    ].map((name) => [name, 'string' as const]),
  ),
  ...Object.fromEntries(
    [
      'sticky',
      'localOnly',
      'defaultSound',
      'defaultVibrateTimings',
      'defaultLightSettings',
      'bypassProxyNotification',
    ].map((name) => [name, 'boolean' as const]),
  ),
  bodyLocArgs: { list: 'string' },
  titleLocArgs: { list: 'string' },
  vibrateTimings: { list: 'duration' },
  lightSettings: { fields: LIGHT },
  notificationCount: 'integer',
  notificationPriority: {
    type: 'AndroidNotification.NotificationPriority',
    values: [
      'PRIORITY_UNSPECIFIED',
      'PRIORITY_MIN',
      'PRIORITY_LOW',
      'PRIORITY_DEFAULT',
      'PRIORITY_HIGH',
      'PRIORITY_MAX',
    ],
  },
  visibility: {
    type: 'AndroidNotification.Visibility',
    values: ['VISIBILITY_UNSPECIFIED', 'PRIVATE', 'PUBLIC', 'SECRET'],
  },
  proxy: {
    type: 'AndroidNotification.Proxy',
    values: ['PROXY_UNSPECIFIED', 'ALLOW', 'DENY', 'IF_PRIORITY_LOWERED'],
  },
}
const ANDROID: Fields = {
  collapseKey: 'string',
  // The guides write "high", the reference HIGH; both are taken.
  priority: { type: 'AndroidMessagePriority', values: ['NORMAL', 'HIGH', 'normal', 'high'] },
  ttl: 'duration',
  restrictedPackageName: 'string',
  data: 'map',
  notification: { fields: ANDROID_NOTIFICATION },
  fcmOptions: { fields: LABEL },
  directBootOk: 'boolean',
  bandwidthConstrainedOk: 'boolean',
  restrictedSatelliteOk: 'boolean',
}
const WEBPUSH: Fields = {
  headers: 'map',
  data: 'map',
  notification: 'struct',
  fcmOptions: { fields: { link: 'string', ...LABEL } },
}
const APNS: Fields = {
  headers: 'map',
  payload: 'struct',
  fcmOptions: { fields: { ...LABEL, image: 'string' } },
  liveActivityToken: 'string',
}
const MESSAGE: Fields = {
  name: 'string',
  data: 'map',
  notification: { fields: NOTIFICATION },
  android: { fields: ANDROID },
  webpush: { fields: WEBPUSH },
  apns: { fields: APNS },
  fcmOptions: { fields: LABEL },
  token: 'string',
  topic: 'string',
  condition: 'string',
}
const REQUEST: Fields = { validateOnly: 'boolean', message: { fields: MESSAGE } }

const TARGETS = ['token', 'topic', 'condition']
/** "Reserved words: from, message_type, any word starting with google or gcm". */
const RESERVED_KEY = /^(from$|message_type$|google|gcm)/
const FOUR_WEEKS_SECONDS = 2_419_200
const MOST_BYTES = 4_096
const MOST_BYTES_TO_A_TOPIC = 2_048

/** What the JSON parser of Google's front end says: names and types. */
export function schemaViolations(request: Record<string, unknown>): Violation[] {
  return fieldFaults(request, REQUEST, '')
}

/** What FCM itself says of a message that fits the schema: values. */
export function valueViolations(message: Record<string, unknown>): Violation[] {
  const violations: Violation[] = []
  const refuse = (field: string, description: string) => violations.push({ field, description })
  const android = partOf(message, 'android')
  for (const [field, holder] of [
    ['message.data', message],
    ['message.android.data', android],
  ] as const) {
    for (const key of Object.keys(partOf(holder, 'data')))
      if (RESERVED_KEY.test(key)) refuse(field, `Invalid data payload key: ${key}`)
  }
  const ttl = android.ttl
  if (typeof ttl === 'string' && Number.parseFloat(ttl) > FOUR_WEEKS_SECONDS)
    refuse('message.android.ttl', 'Invalid TTL: a duration of at most 2419200 seconds')
  const most = message.token === undefined ? MOST_BYTES_TO_A_TOPIC : MOST_BYTES
  if (payloadBytes(message) > most) refuse('message', 'Android message is too big')
  return violations
}

/** @returns the names of the targets that the message has: a good one has exactly one */
export function targetsOf(message: Record<string, unknown>): string[] {
  return TARGETS.filter((name) => message[name] !== undefined && message[name] !== '')
}

/** Keys and values of what goes to the device: `android` overrides what the message says for all. */
function payloadBytes(message: Record<string, unknown>): number {
  const android = partOf(message, 'android')
  const data = android.data === undefined ? partOf(message, 'data') : partOf(android, 'data')
  const shown = { ...partOf(message, 'notification'), ...partOf(android, 'notification') }
  return [...Object.entries(data), ...Object.entries(shown)]
    .map(([key, value]) => Buffer.byteLength(key) + Buffer.byteLength(String(value)))
    .reduce((sum, bytes) => sum + bytes, 0)
}

function partOf(holder: Record<string, unknown>, name: string): Record<string, unknown> {
  const part = holder[name]
  return isObject(part) ? part : {}
}

function fieldFaults(value: unknown, fields: Fields, path: string): Violation[] {
  if (!isObject(value)) return [invalid(path, 'TYPE_MESSAGE', value)]
  return Object.entries(value).flatMap(([name, inner]) => {
    // Proto3 JSON takes a name as declared (snake_case) and in lowerCamelCase.
    const kind = fields[name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())]
    const description = `Invalid JSON payload received. Unknown name "${name}"${path && ` at '${path}'`}: Cannot find field.`
    if (!kind) return [{ field: path, description }]
    return inner === null ? [] : valueFaults(inner, kind, path ? `${path}.${name}` : name)
  })
}

function valueFaults(value: unknown, kind: Kind, path: string): Violation[] {
  if (typeof kind === 'object') {
    if ('fields' in kind) return fieldFaults(value, kind.fields, path)
    if ('list' in kind) {
      if (!Array.isArray(value)) return [invalid(path, 'TYPE_LIST', value)]
      return value.flatMap((item, at) => valueFaults(item, kind.list, `${path}[${at}]`))
    }
    return kind.values.includes(value as string) ? [] : [invalid(path, FCM + kind.type, value)]
  }
  return scalarFaults(value, kind, path)
}

function scalarFaults(value: unknown, kind: Scalar, path: string): Violation[] {
  if (kind === 'map' && isObject(value))
    return Object.values(value).flatMap((item, at) => scalarFaults(item, 'string', `${path}[${at}].value`))
  const { type, isGood } = SCALARS[kind]
  return isGood(value) ? [] : [invalid(path, type, value)]
}

function invalid(field: string, type: string, value: unknown): Violation {
  return { field, description: `Invalid value at '${field}' (${type}), ${JSON.stringify(value)}` }
}
