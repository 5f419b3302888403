import { GATEWAY_PARAM } from '../cluster/peers.ts'
import type { SipMessage } from '../sip/message.ts'
import { parseVia, type Via } from '../sip/via.ts'
import type { Identity } from './identity.ts'

/**
 * Loop detection by the second part of our branch parameter: a digest of the fields that decide the routing. A request that
 * comes back with the same ones loops; with others it spirals and goes on.
 * @see RFC 3261 16.3 step 4 and 16.6 step 8, RFC 5393
 */
export function loopDigest(request: SipMessage, uri: string): string {
  let hash = 0x811c9dc5
  hash = mix(hash, uri)
  hash = mix(hash, request.fromTag)
  hash = mix(hash, request.toTag)
  hash = mix(hash, request.callId)
  hash = mix(hash, request.header('Route') ?? '')
  return inHexadecimal(hash ^ (request.cseq?.number ?? 0))
}

/** Between the random part of a branch and the digest. */
const SEPARATOR = '.'

export function branchWithDigest(random: string, digest: string): string {
  return `z9hG4bK${random}${SEPARATOR}${digest}`
}

/** Whether the request has been here before with the same routing fields. */
export function isLoop(request: SipMessage, identity: Identity, digest: string): boolean {
  const ending = SEPARATOR + digest
  if (!request.text.includes(ending)) return false
  if (isOwn(request.via, identity, ending)) return true
  const vias = request.values('Via')
  for (let index = 1; index < vias.length; index++) if (isOwn(parseVia(vias[index]!), identity, ending)) return true
  return false
}

function isOwn(via: Via | undefined, identity: Identity, ending: string): boolean {
  if (via?.branch.endsWith(ending) !== true || !identity.isSelf(via.host, via.port)) return false
  return !identity.isOthers(via.params.get(GATEWAY_PARAM), 'via')
}

const TWO_DIGITS = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'))

/** Eight digits: `toString(16)` of a large number is made by way of floating point. */
function inHexadecimal(hash: number): string {
  return (
    TWO_DIGITS[hash >>> 24]! +
    TWO_DIGITS[(hash >>> 16) & 255]! +
    TWO_DIGITS[(hash >>> 8) & 255]! +
    TWO_DIGITS[hash & 255]!
  )
}

/** FNV-1a, with a separator so that fields do not run into each other. */
function mix(hash: number, text: string): number {
  let mixed = hash
  for (let index = 0; index < text.length; index++) mixed = Math.imul(mixed ^ text.charCodeAt(index), 0x01000193)
  return Math.imul(mixed ^ 0x1f, 0x01000193)
}
