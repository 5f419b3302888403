import { createHash } from 'node:crypto'
import { readNumber } from '../../functions/contract/uri/chars.ts'
import type { PushParameters } from '../../functions/store/store.ts'
import { canonicalAor, type SipUri } from '../sip/uri.ts'
import { withoutPush } from './push-parameters.ts'

/** What tells a device from the others of its user. */
export interface Device {
  /** One branch per device. */
  key: string
  /** `urn:uuid:…` of `+sip.instance`. */
  instance?: string
  regId?: number
}

/**
 * The key of a binding: instance and reg-id (RFC 5626 6), else a digest of the push token, which survives a change of address, else the
 * contact itself (RFC 3261 10.3).
 * @param params header parameters of the Contact
 */
export function deviceOf(
  uri: SipUri,
  params: Map<string, string | undefined>,
  push: PushParameters | undefined,
): Device {
  const instance = withoutBrackets(params.get('+sip.instance') ?? '')
  if (instance !== '') return instanceDevice(instance, params.get('reg-id') ?? '')
  return { key: push ? pushKey(push) : contactKey(uri) }
}

/** Equal for contacts that RFC 3261 19.1.4 calls equal when they have the same parameters, in whatever order and case. */
export function contactKey(uri: SipUri): string {
  const plain = withoutPush(uri)
  const params = [...plain.params].map(([name, value]) => `;${name}=${value.toLowerCase()}`)
  return `${plain.scheme}|${canonicalAor(plain)}:${plain.port ?? ''}${params.sort().join('')}`
}

/** reg-id is 1 to 2^31-1; anything else counts as absent. */
function instanceDevice(instance: string, regId: string): Device {
  const number = readNumber(regId, 0, regId.length, 0x7fffffff)
  if (number < 1) return { key: instance.toLowerCase(), instance }
  return { key: `${instance.toLowerCase()};reg-id=${number}`, instance, regId: number }
}

/** A token is a secret: 132 bits of its digest tell devices apart as well. */
function pushKey(push: PushParameters): string {
  const digest = createHash('sha256').update(`${push.provider}\0${push.prid}`).digest('base64url')
  return `push:${digest.slice(0, 22)}`
}

function withoutBrackets(instance: string): string {
  return instance.startsWith('<') && instance.endsWith('>') ? instance.slice(1, -1) : instance
}
