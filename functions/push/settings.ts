import type { Fault, Reader } from '../contract/settings.ts'
import type { ReadFile } from '../contract/settings-values.ts'
import { FCM_ENDPOINT } from './fcm.ts'
import type { ServiceAccount } from './google-account.ts'
import {
  environmentSetting,
  hostsSetting,
  keySetting,
  serviceAccountsSetting,
  snsSetting,
  subjectSetting,
  tenCharacters,
  urlSetting,
  vapidKeySetting,
} from './settings-values.ts'
import type { SnsApplication } from './sns-application.ts'
import type { VapidKeys } from './vapid.ts'

/** What pushes go through, as the environment says. */
export interface PushSettings {
  /** `SNS_PLATFORM_APPLICATIONS`: applications by pn-provider; an Apple one has up to two, notifications and VoIP. */
  sns: ReadonlyMap<string, readonly SnsApplication[]>
  /** `FCM_SERVICE_ACCOUNT`, one or more; `FCM_ENDPOINT`. */
  fcm: { accounts: readonly ServiceAccount[]; endpoint: string } | undefined
  /** `APNS_KEY`, `APNS_KEY_ID`, `APNS_TEAM_ID`, `APNS_ENVIRONMENT`, default `production`; `APNS_ENDPOINT`, instead of either of Apple's. */
  apns: { key: string; keyId: string; teamId: string; isSandbox: boolean; endpoint: string | undefined } | undefined
  /** `VAPID_PUBLIC_KEY`, `VAPID_PRIVATE_KEY`, `VAPID_SUBJECT`; `WEBPUSH_HOSTS`, default the browsers' push services. */
  webPush: { vapid: VapidKeys; hosts: readonly string[] | undefined } | undefined
  /** `VAPID_PUBLIC_KEY`: what phones subscribe with, also where the push function at `PUSH_URL` has the other half. */
  vapidPublicKey: string | undefined
}

/** Every setting that is read here. */
export const PUSH_SETTINGS = [
  'SNS_PLATFORM_APPLICATIONS',
  'FCM_SERVICE_ACCOUNT',
  'FCM_ENDPOINT',
  'APNS_KEY',
  'APNS_KEY_ID',
  'APNS_TEAM_ID',
  'APNS_ENVIRONMENT',
  'APNS_ENDPOINT',
  'VAPID_PUBLIC_KEY',
  'VAPID_PRIVATE_KEY',
  'VAPID_SUBJECT',
  'WEBPUSH_HOSTS',
] as const

type PushSetting = (typeof PUSH_SETTINGS)[number]

/**
 * Mistakes go to the reader, each with its setting and remedy.
 * @param readFile the text of a file, undefined when it cannot be read; absent where there are no files
 */
export function pushSettings(read: Reader, readFile?: ReadFile): PushSettings {
  const vapidPublicKey = read.value('VAPID_PUBLIC_KEY', vapidKeySetting('public'))
  const settings = {
    vapidPublicKey,
    sns: read.value('SNS_PLATFORM_APPLICATIONS', snsSetting) ?? new Map(),
    fcm: fcmSettings(read, readFile),
    apns: apnsSettings(read, readFile),
    webPush: webPushSettings(read, vapidPublicKey),
  }
  read.faults.push(...twice(settings))
  return settings
}

/** What `pn-provider` may be, without a webhook for the rest. */
export function providerNames({ sns, fcm, apns, webPush }: PushSettings): string[] {
  const direct = [...(fcm ? ['fcm'] : []), ...(apns ? ['apns', 'apns.dev'] : []), ...(webPush ? ['webpush'] : [])]
  return [...new Set([...sns.keys(), ...direct])]
}

function fcmSettings(read: Reader, readFile: ReadFile | undefined): PushSettings['fcm'] {
  const accounts = read.value('FCM_SERVICE_ACCOUNT', (text) => serviceAccountsSetting(text, readFile))
  const endpoint = read.value('FCM_ENDPOINT', urlSetting(), FCM_ENDPOINT)
  requires(read, 'FCM_ENDPOINT', ['FCM_SERVICE_ACCOUNT'])
  return accounts && endpoint ? { accounts, endpoint } : undefined
}

function apnsSettings(read: Reader, readFile: ReadFile | undefined): PushSettings['apns'] {
  const key = read.value('APNS_KEY', (text) => keySetting(text, readFile))
  const keyId = read.value('APNS_KEY_ID', tenCharacters('the key')) ?? ''
  const teamId = read.value('APNS_TEAM_ID', tenCharacters('your team')) ?? ''
  const isSandbox = read.value('APNS_ENVIRONMENT', environmentSetting, 'production') === 'sandbox'
  const endpoint = read.value('APNS_ENDPOINT', urlSetting())
  requires(read, 'APNS_KEY', ['APNS_KEY_ID', 'APNS_TEAM_ID'])
  for (const setting of ['APNS_KEY_ID', 'APNS_TEAM_ID', 'APNS_ENVIRONMENT', 'APNS_ENDPOINT'] as const)
    requires(read, setting, ['APNS_KEY'])
  return key && keyId && teamId ? { key, keyId, teamId, isSandbox, endpoint } : undefined
}

function webPushSettings(read: Reader, publicKey: string | undefined): PushSettings['webPush'] {
  const privateKey = read.value('VAPID_PRIVATE_KEY', vapidKeySetting('private')) ?? ''
  const subject = read.value('VAPID_SUBJECT', subjectSetting) ?? ''
  const hosts = read.value('WEBPUSH_HOSTS', hostsSetting)
  requires(read, 'VAPID_PRIVATE_KEY', ['VAPID_PUBLIC_KEY', 'VAPID_SUBJECT'])
  for (const setting of ['VAPID_SUBJECT', 'WEBPUSH_HOSTS'] as const) requires(read, setting, ['VAPID_PRIVATE_KEY'])
  if (!read.has('PUSH_URL')) requires(read, 'VAPID_PUBLIC_KEY', ['VAPID_PRIVATE_KEY'])
  return publicKey && privateKey && subject ? { vapid: { publicKey, privateKey, subject }, hosts } : undefined
}

/** What goes with a setting that is there; each missing one is told once. */
function requires(read: Reader, setting: PushSetting, needed: readonly PushSetting[]): void {
  if (!read.has(setting)) return
  for (const missing of needed) {
    if (read.has(missing) || read.faults.some((fault) => fault.setting === missing)) continue
    const message = `${missing}: expected a value, since ${setting} is set; got nothing. Set it, or take ${setting} out`
    read.faults.push({ setting: missing, message })
  }
}

/** A pn-provider by which pushes would go two ways. */
function twice({ sns, fcm, apns, webPush }: PushSettings): Fault[] {
  const direct: [name: string, setting: PushSetting, isSet: unknown][] = [
    ['fcm', 'FCM_SERVICE_ACCOUNT', fcm],
    ['apns', 'APNS_KEY', apns],
    ['apns.dev', 'APNS_KEY', apns],
    ['webpush', 'VAPID_PRIVATE_KEY', webPush],
  ]
  return direct
    .filter(([name, , isSet]) => isSet && sns.has(name))
    .map(([name, other]) => {
      const setting = 'SNS_PLATFORM_APPLICATIONS'
      const message = `${setting}: expected one way for each pn-provider, but ${name} has ${other} too; take one of the two out`
      return { setting, message }
    })
}
