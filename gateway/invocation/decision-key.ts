import type { Invocation, InvocationData } from '../../functions/contract/envelope.ts'

/**
 * What a decision was made for, as far as the gateway compares it: two requests of one key get the same answer. `caller`: who calls and
 * from where, as far as the network and the identity headers say; without it everybody is meant.
 */
export interface DecisionKeys {
  caller: string
  public: string
}

/** Whose request it is on, and what the SIP network says about it (RFC 3325, RFC 3323, RFC 5806, RFC 7044). */
const IDENTITY_HEADERS = new Set([
  'p-asserted-identity',
  'p-preferred-identity',
  'remote-party-id',
  'privacy',
  'diversion',
  'history-info',
])

/** @returns undefined for what is decided anew each time: what is not a new request, and requests that carry credentials */
export function decisionKeys(path: string, { type, data }: Invocation): DecisionKeys | undefined {
  if (type !== 'sip.request' || data.auth !== undefined) return undefined
  const { method, uri, aor } = data.request
  const contacts = data.contacts.map(({ uri, q, instance, push }) => [uri, q, instance, push])
  const everybody = JSON.stringify([path, method, uri, aor, contacts])
  return { public: everybody, caller: `${everybody} ${callerOf(data)}` }
}

/** The port is left out: a NAT changes it between two calls of one phone. */
function callerOf({ request, received }: InvocationData): string {
  const identity = request.headers.filter(([name]) => IDENTITY_HEADERS.has(name.toLowerCase()))
  return JSON.stringify([withoutTag(request.from), received.address, received.transport, identity])
}

/** From without its tag, which is another one in every call. */
function withoutTag(from: string): string {
  const end = from.lastIndexOf('>') + 1
  return from.slice(0, end) + from.slice(end).replace(/;\s*tag\s*=[^;]*/i, '')
}
