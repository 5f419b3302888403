import { createECDH, randomBytes, randomUUID } from 'node:crypto'
import { decrypt, type Receiver } from './aes128gcm.ts'
import { p256Key, parseJws } from './jws.ts'
import { type Answer, type Asked, type Listening, listen, type Now, type Silence } from './listener.ts'

/** Stands in for a Web Push service and the browsers behind it. README.md names the documents. */

export type WebPushTrouble = 'too many requests' | 'unavailable' | 'internal error' | Silence

export interface WebPushOptions {
  /** origin that VAPID tokens are to name; that of the listener when absent */
  origin?: string
  tls?: boolean
  now?: Now
}

export interface SubscribeOptions {
  /** public key, base64url of 65 bytes: only its owner may push (a restricted subscription) */
  applicationServerKey?: string
  /** last part of the endpoint */
  id?: string
  /** the user agent's private key and authentication secret, base64url; made up when absent */
  privateKey?: string
  auth?: string
}

/** What a browser hands to a page: `PushSubscription.toJSON()`. */
export interface Subscription {
  endpoint: string
  keys: { p256dh: string; auth: string }
}

export interface WebPushMessage {
  endpoint: string
  /** decrypted; empty for a push without a body */
  text: string
  ttlSeconds: number
  urgency: string
  topic: string | undefined
  /** the claim `sub` of the VAPID token, when there is one */
  contact: unknown
}

export interface WebPush extends Listening {
  /** messages that reached a user agent, which could read them */
  received: WebPushMessage[]
  /** messages that the service took and the user agent could not read, with the reason: a sender hears nothing of it */
  unreadable: string[]
  /** every answer that was no 201: `403 …` */
  refused: string[]
  subscribe(options?: SubscribeOptions): Subscription
  /** `expired`: 404 (RFC 8030 7.3). `gone`: 410, as browsers' services say of a cancelled subscription */
  drop(endpoint: string, how: 'expired' | 'gone'): void
  script(...troubles: WebPushTrouble[]): void
}

interface Known extends Receiver {
  state: 'active' | 'expired' | 'gone'
  applicationServerKey: string | undefined
}

const DAY_SECONDS = 86_400
const LONGEST_TTL_SECONDS = 2_419_200
const MOST_BYTES = 4_096
const CHALLENGE = { 'www-authenticate': 'vapid' }

export async function start({ origin, tls = false, now = Date.now }: WebPushOptions = {}): Promise<WebPush> {
  const known = new Map<string, Known>()
  const script: WebPushTrouble[] = []
  const received: WebPushMessage[] = []
  const unreadable: string[] = []
  const refused: string[] = []

  const listening = await listen(
    (asked) => {
      const answer = serve(asked)
      if (typeof answer === 'object' && answer.status !== 201) refused.push(`${answer.status} ${answer.body}`)
      return answer
    },
    { tls },
  )

  function serve(asked: Asked): Answer | Silence {
    const subscription = known.get(asked.path)
    if (!subscription) return refusal(404, 'no such push resource')
    if (asked.method !== 'POST') return refusal(405, 'only POST')
    const trouble = script.shift()
    if (trouble === 'hang' || trouble === 'reset') return trouble
    if (trouble === 'too many requests') return refusal(429, trouble, { 'retry-after': '60' })
    if (trouble === 'unavailable') return refusal(503, trouble, { 'retry-after': '120' })
    if (trouble === 'internal error') return refusal(500, trouble)
    const vapid = vapidOf(asked.headers.authorization, origin ?? listening.url, now())
    const fault = vapidFault(vapid, subscription) ?? requestFault(asked)
    if (fault) return fault
    if (subscription.state === 'expired') return refusal(404, 'the subscription has expired')
    if (subscription.state === 'gone') return refusal(410, 'the subscription was cancelled')
    return deliver(asked, subscription, typeof vapid === 'object' && 'key' in vapid ? vapid.sub : undefined)
  }

  function deliver({ headers, path, body }: Asked, receiver: Receiver, contact: unknown): Answer {
    const ttlSeconds = Math.min(Number(headers.ttl), LONGEST_TTL_SECONDS)
    const location = `${listening.url}/message/${randomUUID()}`
    try {
      const text = body.length > 0 ? decrypt(body, receiver).toString() : ''
      const urgency = String(headers.urgency ?? 'normal')
      const topic = headers.topic as string | undefined
      received.push({ endpoint: `${listening.url}${path}`, text, ttlSeconds, urgency, topic, contact })
    } catch (error) {
      unreadable.push((error as Error).message)
    }
    return { status: 201, headers: { location, ttl: String(ttlSeconds) } }
  }

  return {
    ...listening,
    received,
    unreadable,
    refused,
    script: (...troubles) => void script.push(...troubles),
    drop: (endpoint, how) => {
      known.get(new URL(endpoint).pathname)!.state = how
    },
    subscribe: ({ applicationServerKey, id = randomUUID(), privateKey, auth } = {}) => {
      const keys = createECDH('prime256v1')
      if (privateKey) keys.setPrivateKey(privateKey, 'base64url')
      else keys.generateKeys()
      const secret = auth ? Buffer.from(auth, 'base64url') : randomBytes(16)
      known.set(`/push/${id}`, { keys, auth: secret, state: 'active', applicationServerKey })
      return {
        endpoint: `${listening.url}/push/${id}`,
        keys: { p256dh: keys.getPublicKey('base64url'), auth: secret.toString('base64url') },
      }
    },
  }
}

/** RFC 8030 5.2 to 5.4, 7.2; RFC 8291 4. */
function requestFault({ headers, body }: Asked): Answer | undefined {
  if (!/^\d+$/.test(String(headers.ttl ?? ''))) return refusal(400, 'TTL: seconds, required')
  if (!['very-low', 'low', 'normal', 'high'].includes(String(headers.urgency ?? 'normal')))
    return refusal(400, 'Urgency: very-low, low, normal or high')
  if (headers.topic !== undefined && !/^[\w-]{1,32}$/.test(String(headers.topic)))
    return refusal(400, 'Topic: at most 32 characters of base64url')
  if (body.length > MOST_BYTES) return refusal(413, 'more than 4096 bytes')
  if (body.length > 0 && headers['content-encoding'] !== 'aes128gcm') return refusal(400, 'Content-Encoding: aes128gcm')
  return undefined
}

/** A VAPID token that holds, why it does not, or undefined without one. */
type Vapid = { key: string; sub: unknown } | { fault: string } | undefined

/** RFC 8292 2 and 3. */
function vapidOf(authorization: string | undefined, origin: string, now: number): Vapid {
  if (authorization === undefined) return undefined
  const parameters = /^vapid\s+(.*)$/i.exec(authorization)?.[1]?.split(',') ?? []
  const named = new Map(parameters.map((text) => text.trim().split(/=(.*)/s) as [string, string]))
  const key = named.get('k') ?? ''
  const publicKey = /^[\w-]+$/.test(key) ? p256Key(Buffer.from(key, 'base64url')) : undefined
  const jws = parseJws(named.get('t') ?? '')
  if (!publicKey || !jws) return { fault: 'Authorization: vapid t=<JWT>, k=<public key>' }
  if (!jws.isSignedBy(publicKey, 'ES256')) return { fault: 'the token is not signed with ES256 by k' }
  const { aud, exp, sub } = jws.claims
  if (aud !== origin) return { fault: `aud is not ${origin}` }
  const seconds = now / 1_000
  if (typeof exp !== 'number' || exp <= seconds) return { fault: 'exp is missing or past' }
  if (exp > seconds + DAY_SECONDS) return { fault: 'exp is more than 24 hours away' }
  if (sub !== undefined && !/^(mailto:.+@.+|https:\/\/.+)/.test(String(sub))) return { fault: 'sub: mailto or https' }
  return { key, sub }
}

/** RFC 8292 4.2: a restricted subscription takes nothing without a token of its key. */
function vapidFault(vapid: Vapid, { applicationServerKey }: Known): Answer | undefined {
  if (vapid === undefined)
    return applicationServerKey ? refusal(401, 'a VAPID token is required', CHALLENGE) : undefined
  if ('fault' in vapid) return refusal(403, vapid.fault)
  const isOwner = applicationServerKey === undefined || applicationServerKey === vapid.key
  return isOwner ? undefined : refusal(403, 'k is not the key of the subscription')
}

function refusal(status: number, body: string, headers: Record<string, string> = {}): Answer {
  return { status, headers: { 'content-type': 'text/plain', ...headers }, body }
}
