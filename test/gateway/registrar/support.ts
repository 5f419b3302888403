import assert from 'node:assert/strict'
import { createMemoryStore } from '../../../functions/store/memory.ts'
import { REGISTRAR_DEFAULTS, type RegistrarOptions } from '../../../gateway/registrar/options.ts'
import { createRegistrar } from '../../../gateway/registrar/registrar.ts'
import { readMessage, type SipMessage } from '../../../gateway/sip/message.ts'
import type { Flow } from '../../../gateway/transport/types.ts'
import { CountingIds, FakeClock } from '../../support/fake-clock.ts'

export const START = Date.UTC(2026, 0, 1)
export const BOB = 'sip:bob@example.com'
export const PHONE = '<sip:bob@192.0.2.10:5060>'
export const TABLET = '<sip:bob@192.0.2.20:5060>'

export const OPTIONS: RegistrarOptions = {
  ...REGISTRAR_DEFAULTS,
  gateway: 'gw-a',
  isLocalDomain: (host, port) => host === 'example.com' && (port === undefined || port === 5060),
}

export interface Wishes {
  uri?: string
  to?: string
  via?: string
  callId?: string
  cseq?: number
  /** Further header lines, as `Name: value`. */
  headers?: string[]
}

let registers = 0

/** A REGISTER with these Contact values, one line each. Without wishes its Call-ID is its own. */
export function registerRequest(contacts: string[], wishes: Wishes = {}): SipMessage {
  const lines = [
    `REGISTER ${wishes.uri ?? 'sip:example.com'} SIP/2.0`,
    `Via: ${wishes.via ?? 'SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK1;rport'}`,
    `From: <sip:bob@example.com>;tag=1`,
    `To: ${wishes.to ?? '<sip:bob@example.com>'}`,
    `Call-ID: ${wishes.callId ?? `call-${++registers}`}`,
    `CSeq: ${wishes.cseq ?? 1} REGISTER`,
    'Max-Forwards: 70',
    ...contacts.map((contact) => `Contact: ${contact}`),
    ...(wishes.headers ?? []),
    'Content-Length: 0',
  ]
  const result = readMessage(`${lines.join('\r\n')}\r\n\r\n`)
  assert.ok(result.ok, 'the request of the test is broken')
  return result.message
}

const LISTENER = {
  transport: 'udp',
  address: '198.51.100.1',
  port: 5060,
  advertisedHost: '198.51.100.1',
  advertisedPort: 5060,
} as const

export function flow(source = '192.0.2.10:5060', transport: Flow['transport'] = 'udp'): Flow {
  const colon = source.lastIndexOf(':')
  const remoteAddress = source.slice(0, colon)
  const remotePort = Number(source.slice(colon + 1))
  return {
    transport,
    remoteAddress,
    remotePort,
    listener: { ...LISTENER, transport },
    connection: transport === 'udp' ? 0 : 7,
  }
}

/** A registrar over a memory store; `says` gives one line: status, reason and Contact values of the answer. */
export function rig(options: Partial<RegistrarOptions> = {}) {
  const clock = new FakeClock(START)
  const store = createMemoryStore({ clock, ids: new CountingIds() })
  const published: string[] = []
  const registrar = createRegistrar({
    store,
    clock,
    options: { ...OPTIONS, ...options },
    publish: (events) => void published.push(...events.map((event) => `${event.type} ${event.attributes.contact}`)),
  })
  const register = (contacts: string[], wishes: Wishes = {}, from = flow()) =>
    registrar.register(registerRequest(contacts, wishes), from)
  const bindings = async () => (await store.lookup(BOB)).bindings
  const contacts = async () => (await bindings()).map((binding) => binding.contact)
  return { clock, store, registrar, register, bindings, contacts, published }
}

export function header(answer: { headers: [string, string][] }, name: string): string[] {
  return answer.headers.filter(([its]) => its === name).map(([, value]) => value)
}
