import * as z from 'zod/mini'
import { fromBase64, type Octets } from '../contract/hmac.ts'

/** What Amazon SNS posts to an HTTPS subscription. */

export const SnsMessage = z.object({
  Type: z.enum(['Notification', 'SubscriptionConfirmation', 'UnsubscribeConfirmation']),
  MessageId: z.string().check(z.regex(/^[A-Za-z0-9-]{1,100}$/)),
  TopicArn: z.string(),
  Subject: z.optional(z.nullable(z.string())),
  Message: z.string(),
  Timestamp: z.iso.datetime(),
  SignatureVersion: z.string(),
  Signature: z.string().check(z.maxLength(2048)),
  SigningCertURL: z.string().check(z.maxLength(512)),
  SubscribeURL: z.optional(z.string().check(z.maxLength(2048))),
  Token: z.optional(z.string()),
})
export type SnsMessage = z.infer<typeof SnsMessage>

const NOTIFICATION = ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'] as const
const CONFIRMATION = ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'] as const

/** What is signed: the name and the value of each field that is there, a line each, in alphabetical order. */
export function signedText(message: SnsMessage): string {
  const names = message.Type === 'Notification' ? NOTIFICATION : CONFIRMATION
  const fields: Partial<Record<string, string | null>> = message
  return names
    .filter((name) => fields[name] !== undefined && fields[name] !== null)
    .map((name) => `${name}\n${fields[name]}\n`)
    .join('')
}

/** Hosts of SNS itself, of which nobody else can have one. */
const HOST = /^sns\.[a-z0-9-]{3,32}\.amazonaws\.com(\.cn)?$/

/** Of a certificate that SNS signs with; undefined when the URL leads elsewhere. */
export function certificateUrl(text: string): URL | undefined {
  const url = snsUrl(text)
  return url && url.search === '' && /^\/[A-Za-z0-9._-]{1,128}\.pem$/.test(url.pathname) ? url : undefined
}

/** What confirms a subscription to this topic; undefined when the URL does something else. */
export function confirmationUrl(text: string, topic: string): URL | undefined {
  const url = snsUrl(text)
  const isRight =
    url?.searchParams.get('Action') === 'ConfirmSubscription' &&
    url.pathname === '/' &&
    url.searchParams.getAll('TopicArn').join() === topic
  return isRight ? url : undefined
}

function snsUrl(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isRight =
    url?.protocol === 'https:' && HOST.test(url.hostname) && url.port === '' && !url.username && !url.password
  return isRight && url.hash === '' ? url : undefined
}

export function signatureOf({ Signature }: SnsMessage): Octets | undefined {
  return fromBase64(Signature)
}
