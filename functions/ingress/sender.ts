import type { Problem, Result } from '../contract/problem.ts'
import { createSigner } from '../contract/sign.ts'
import { createTokenCheck, isLoopbackName } from '../contract/token.ts'
import type { Incoming } from './incoming.ts'
import { isEventId } from './posted-event.ts'

/** Who has sent a request, as far as it is known. */
export interface Sender {
  /** The credential: what limits count by, and logs name. */
  name: string
  /** Nobody has shown anything: this machine alone may. */
  isUnknown?: true
  /** The id of a signed message: the same when it is sent again. */
  messageId?: string
}

/** Problem `request.unauthorized` when the request is not genuine. */
export type SenderCheck = (incoming: Incoming, now: number) => Promise<Result<Sender>>

export interface SenderOptions {
  /** `whsec_…`, two separated by a space while rotating. */
  secret?: string | undefined
  /** Bearer tokens that open; the sentence of a refusal has their settings. */
  tokens: readonly { setting: string; token: string }[]
  /** Without any token: whoever asks this machine by a name of its own, or nobody. */
  withoutToken: 'loopback' | 'nobody'
}

/** `POST /events`: a signature is checked wherever there is a secret, and then decides alone; else a token, else the machine itself. */
export function senderCheck({ secret, tokens, withoutToken }: SenderOptions): SenderCheck {
  const signed = secret === undefined ? undefined : standardWebhooks(secret)
  const bearers = tokens.map(({ setting, token }) => ({ setting, isRight: createTokenCheck(token) }))
  const refusal = refusalOf(
    bearers.map(({ setting }) => setting),
    withoutToken,
  )
  return async (incoming, now) => {
    if (signed && incoming.header('webhook-signature') !== undefined) return signed(incoming, now)
    const authorization = incoming.header('authorization')
    for (const { setting, isRight } of bearers) {
      if (await isRight(authorization)) return { ok: true, value: { name: setting } }
    }
    const isHere = bearers.length === 0 && withoutToken === 'loopback' && isLoopbackName(incoming.url.hostname)
    return isHere ? { ok: true, value: { name: 'this machine', isUnknown: true } } : { ok: false, problem: refusal }
  }
}

/** Standard Webhooks; the id of the message becomes that of the event. */
export function standardWebhooks(secret: string, name = 'EVENTS_SECRET'): SenderCheck {
  const signer = createSigner(secret)
  return async ({ header, body }, now) => {
    const read = await body()
    if (!read.ok) return read
    const verified = await signer.verify(header, read.value.text, now)
    if (!verified.ok) return verified
    const { id } = verified.value
    if (isEventId(id)) return { ok: true, value: { name, messageId: id } }
    const detail = 'webhook-id: expected 1 to 256 characters, none of them a control character'
    return { ok: false, problem: { code: 'request.invalid', detail } }
  }
}

function refusalOf(settings: readonly string[], withoutToken: SenderOptions['withoutToken']): Problem {
  return { code: 'request.unauthorized', detail: sentence(settings, withoutToken) }
}

function sentence(settings: readonly string[], withoutToken: SenderOptions['withoutToken']): string {
  if (settings.length > 0)
    return `send Authorization: Bearer with the ${settings.join(' or ')}, or sign with the EVENTS_SECRET`
  if (withoutToken === 'loopback') return 'ask as localhost, or set API_TOKEN and send it'
  return 'sign with the EVENTS_SECRET, or set EVENTS_TOKEN and send it'
}
