import { toBase64 } from '../contract/hmac.ts'
import type { PushMessage, PushResult } from '../contract/push.ts'
import { failed } from './outcome.ts'

/**
 * What a device gets: the name of its call, what the push is for, and what the handler adds. Push services see it, so there is no SIP URI, no
 * Call-ID and no credential in it. Every value is a text.
 */
export function payloadOf({ call, purpose, reason, data }: PushMessage): Record<string, string> {
  return { ...data, ...(call ? { call: call.id } : {}), event: purpose, ...(reason ? { reason } : {}) }
}

/** `title` and `body` of the handler, where it gives any: what people are to read. */
export function alertOf({ data = {} }: PushMessage): { title?: string; body?: string } | undefined {
  const { title, body } = data
  if (title === undefined && body === undefined) return undefined
  return { ...(title === undefined ? {} : { title }), ...(body === undefined ? {} : { body }) }
}

/**
 * Pushes with the same key replace each other while the device is away: a call by its end, a refresh by the next. 32 characters of base64url,
 * which every push service takes (RFC 8030 5.4).
 */
export async function collapseKey({ purpose, call }: PushMessage): Promise<string> {
  return toBase64Url((await digest(call ? `call ${call.id}` : purpose)).subarray(0, 24))
}

/** A UUID that is the same on every retry. */
export async function uuidOf({ id }: PushMessage): Promise<string> {
  const octets = (await digest(id)).subarray(0, 16)
  // RFC 9562 5.8: version 8, made by rules of one's own.
  octets[6] = (octets[6]! & 0x0f) | 0x80
  octets[8] = (octets[8]! & 0x3f) | 0x80
  return [...octets]
    .map((octet) => octet.toString(16).padStart(2, '0'))
    .join('')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** SHA-256 of a text. */
export async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
}

export function toBase64Url(octets: Uint8Array): string {
  return toBase64(octets).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

export function octetsIn(text: string): number {
  return new TextEncoder().encode(text).byteLength
}

/** @returns undefined when it is small enough; the push services would refuse it without saying which part is too long */
export function tooLarge(octets: number, most: number, who: string): PushResult | undefined {
  if (octets <= most) return undefined
  return failed(`the payload has ${octets} octets, ${who} takes ${most}: put less into data`)
}
