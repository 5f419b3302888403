import type { PushMessage, PushResult } from '../contract/push.ts'
import { APPLE_PARAMETERS } from './apple-device.ts'
import { planApplePush } from './apple-push.ts'
import { fcmMessage, fcmTrouble } from './fcm-message.ts'
import { failed } from './outcome.ts'
import { collapseKey } from './payload.ts'
import { appleDeviceOf, isVoip, type SnsApplication } from './sns-application.ts'

/** What SNS is asked to publish, and by which application to which token. */
export interface SnsPush {
  application: SnsApplication
  token: string
  /** JSON with an entry of the platform, which is JSON in a string, and the `default` that has to be there and is for no phone. */
  message: string
  attributes: Record<string, { DataType: 'String'; StringValue: string }>
}

/**
 * @param applications those of the phone's pn-provider: one of Google, or one or two of Apple (notifications, VoIP)
 * @see https://docs.aws.amazon.com/sns/latest/dg/sns-fcm-v1-payloads.html
 * @see https://docs.aws.amazon.com/sns/latest/dg/sns-ttl.html
 */
export async function planSnsPush(
  message: PushMessage,
  applications: readonly SnsApplication[],
): Promise<{ push: SnsPush } | { result: PushResult }> {
  const google = applications.find(({ platform }) => platform === 'GCM')
  if (google) return googlePush(message, google)
  const device = appleDeviceOf(message, applications)
  if (!device) return { result: failed(APPLE_PARAMETERS) }
  const plan = planApplePush(message, device)
  if ('result' in plan) return plan
  const { service, token, topic, type, priority, payload } = plan.push
  const application = applications.find((each) => isVoip(each) === (service === 'voip'))!
  const attributes = {
    [`AWS.SNS.MOBILE.${application.platform}.TTL`]: text(message.ttlSeconds),
    'AWS.SNS.MOBILE.APNS.PUSH_TYPE': text(type),
    'AWS.SNS.MOBILE.APNS.PRIORITY': text(priority),
    'AWS.SNS.MOBILE.APNS.COLLAPSE_ID': text(await collapseKey(message)),
    ...(device.bundle === '' ? {} : { 'AWS.SNS.MOBILE.APNS.TOPIC': text(topic) }),
  }
  return { push: { application, token, message: structured(message, application, payload), attributes } }
}

async function googlePush(message: PushMessage, application: SnsApplication) {
  const trouble = fcmTrouble(message)
  if (trouble) return { result: trouble }
  const payload = JSON.stringify({ fcmV1Message: { message: await fcmMessage(message) } })
  const attributes = { 'AWS.SNS.MOBILE.FCM.TTL': text(message.ttlSeconds) }
  return { push: { application, token: message.prid, message: structured(message, application, payload), attributes } }
}

function structured({ purpose }: PushMessage, { platform }: SnsApplication, payload: string): string {
  return JSON.stringify({ default: purpose, [platform]: payload })
}

function text(value: string | number) {
  return { DataType: 'String' as const, StringValue: String(typeof value === 'number' ? Math.floor(value) : value) }
}
