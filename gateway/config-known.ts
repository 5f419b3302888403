import { INGRESS_SETTINGS } from '../functions/ingress/settings.ts'
import { PUSH_SETTINGS } from '../functions/push/settings.ts'
import { AMQP_SETTINGS } from './amqp/settings.ts'
import { CGRATES_SETTINGS } from './cgrates/settings.ts'
import { FREESWITCH_SETTINGS } from './freeswitch/settings.ts'
import { HEP_SETTINGS } from './hep/settings.ts'
import { MEDIA_SETTINGS } from './media/settings.ts'
import { nearest } from './nearest.ts'
import { OUTBOX_SETTINGS } from './outbox/settings.ts'

/** Every setting this version reads. */
export const KNOWN_SETTINGS = [
  'SIP_LISTEN',
  'SIP_ADVERTISE',
  'SIP_DOMAINS',
  'SESSION_EXPIRES',
  'SIP_TLS_CERT',
  'SIP_TLS_KEY',
  'SIP_TLS_CA',
  'SIP_WS_ORIGINS',
  'HTTP_LISTEN',
  'API_TOKEN',
  'FUNCTIONS',
  'FUNCTIONS_FALLBACK_URL',
  'FUNCTIONS_FALLBACK_ACTIONS',
  'FUNCTIONS_BUDGET_INVITE',
  'FUNCTIONS_BUDGET_OTHERS',
  'FUNCTIONS_BUDGET_MAX',
  'FUNCTIONS_CONCURRENCY',
  'FUNCTIONS_QUEUE',
  'FUNCTIONS_BREAKER',
  'FUNCTIONS_BREAKER_REST',
  'FUNCTIONS_CACHE',
  'FUNCTIONS_UNSIGNED',
  'WEBHOOK_SECRET',
  ...INGRESS_SETTINGS,
  'REDIS_URL',
  'REDIS_PREFIX',
  'GATEWAY_ID',
  'GATEWAY_POOL',
  'GATEWAY_ADDRESS',
  'DRAIN_SECONDS',
  'PUSH_URL',
  'PUSH_WEBHOOK_URL',
  'PUSH_LIMIT_AOR',
  'PUSH_LIMIT_CALLER',
  ...PUSH_SETTINGS,
  ...OUTBOX_SETTINGS,
  ...AMQP_SETTINGS,
  ...FREESWITCH_SETTINGS,
  ...HEP_SETTINGS,
  ...MEDIA_SETTINGS,
  ...CGRATES_SETTINGS,
  'LOG_LEVEL',
] as const

/** Look-ups would find nobody, and events reach no call. */
const STRANGE_STORE =
  'UPSTASH_REDIS_REST_URL is set, but REDIS_URL is not: functions in this process use a Redis that this router does not; set both or neither'

/** A variable that begins like one of ours is meant for us. */
const PREFIXES =
  /^(AMQP|HEP|FREESWITCH|SIP|EVENTS|FUNCTIONS|GATEWAY|WEBHOOK|PUSH|FCM|APNS|VAPID|WEBPUSH|CGRATES|RTPENGINE)_/

type Environment = Readonly<Record<string, string | undefined>>

export function notices(env: Environment): string[] {
  const set = Object.keys(env).filter((setting) => env[setting]?.trim())
  const unknown = set.filter((setting) => PREFIXES.test(setting) && !isKnown(setting))
  const isStrange = set.includes('UPSTASH_REDIS_REST_URL') && !set.includes('REDIS_URL')
  const elsewhere = set.includes('PUSH_URL')
    ? set
        .filter((setting) => setting === 'PUSH_WEBHOOK_URL' || (PUSH_SETTINGS as readonly string[]).includes(setting))
        .filter((setting) => setting !== 'VAPID_PUBLIC_KEY')
    : []
  return [
    ...elsewhere.map(
      (setting) => `${setting} is set, and so is PUSH_URL: pushes go there, and it is for that function`,
    ),
    ...(isStrange ? [STRANGE_STORE] : []),
    ...unknown.map((setting) => `${setting} is not a setting of this router${hint(setting)}`),
  ]
}

function isKnown(setting: string): boolean {
  return (KNOWN_SETTINGS as readonly string[]).includes(setting)
}

function hint(setting: string): string {
  const near = nearest(setting, KNOWN_SETTINGS)
  return near ? `; did you mean ${near}?` : ''
}
