import assert from 'node:assert/strict'
import type { RouseEvent } from '../../functions/contract/events.ts'
import type {
  Binding,
  Delivery,
  Position,
  RegisterChange,
  Store,
  StoredSubscription,
  SuspendedTransaction,
} from '../../functions/store/store.ts'

/** A store under test with its time. */
export interface Subject {
  store: Store
  /** The store's idea of the time, milliseconds since the epoch. */
  now(): number
  /** Lets this much time pass, and with it whatever is on its way. */
  pass(ms: number): Promise<void>
  close(): Promise<void>
}
export type CreateSubject = () => Promise<Subject>

let events = 0

export function event(type: string, attributes: RouseEvent['attributes'] = {}): RouseEvent {
  return { id: `made-${++events}`, type, time: 1_000, attributes }
}

export function registered(aor: string): RouseEvent {
  return event('contact.registered', { aor, contact: 'sip:x@192.0.2.1', kind: 'new', expires: 60 })
}

export function transaction(
  subject: Subject,
  id: string,
  more: Partial<SuspendedTransaction> = {},
): SuspendedTransaction {
  return {
    id,
    gateway: 'gw-a',
    rev: 1,
    callId: `${id}@call`,
    expiresAt: subject.now() + 60_000,
    state: `state of ${id}`,
    ...more,
  }
}

export function subscription(
  subject: Subject,
  id: string,
  pattern: string,
  filter: StoredSubscription['filter'],
  more: Partial<StoredSubscription> = {},
): StoredSubscription {
  const owner = { transaction: `tx of ${id}`, gateway: 'gw-a' }
  return { id, event: pattern, filter, expiresAt: subject.now() + 60_000, ...owner, ...more }
}

/** Suspends the transaction of each subscription with it; returns what was missed since `since`. */
export async function subscribe(subject: Subject, since: Position, ...all: StoredSubscription[]): Promise<Delivery[]> {
  const missed: Delivery[] = []
  for (const one of all) {
    const owner = transaction(subject, one.transaction, { gateway: one.gateway })
    missed.push(...(await subject.store.suspend({ transaction: owner, add: [one], drop: [], since })))
  }
  return missed
}

export async function positionNow(subject: Subject): Promise<Position> {
  return (await subject.store.lookup('sip:nobody@example.com')).at
}

export interface Received {
  deliveries: Delivery[]
  batches: number
  close(): Promise<void>
}

export async function listen(subject: Subject, gateway = 'gw-a'): Promise<Received> {
  const received: Received = { deliveries: [], batches: 0, close: async () => {} }
  const inbox = await subject.store.inbox(gateway, (deliveries) => {
    received.batches++
    received.deliveries.push(...deliveries)
  })
  received.close = inbox.close
  return received
}

/** Waits for an arrow, not for a second: until `count` deliveries are there, and then whether no more come. */
export async function expectDeliveries(subject: Subject, received: Received, count: number): Promise<Delivery[]> {
  for (let turn = 0; turn < 2000 && received.deliveries.length < count; turn++) await subject.pass(1)
  await subject.pass(20)
  assert.equal(received.deliveries.length, count)
  return received.deliveries
}

export function subscriptionsOf(deliveries: Delivery[]): string[] {
  return deliveries.map((delivery) => delivery.subscription).sort()
}

const FLOW = {
  transport: 'udp' as const,
  address: '192.0.2.1',
  port: 5060,
  listener: 'udp:198.51.100.1:5060',
  connection: 0,
  gateway: 'gw-a',
  nat: false,
}

export function binding(subject: Subject, device: string, more: Partial<Binding> = {}): Binding {
  const now = subject.now()
  return {
    aor: 'sip:bob@example.com',
    contact: `sip:bob@${device}.example.net`,
    device,
    q: 1,
    expiresAt: now + 60_000,
    registeredAt: now,
    callId: `register of ${device}`,
    cseq: 1,
    path: [],
    received: FLOW,
    parameters: '',
    ...more,
  }
}

/** A change that puts these bindings, in the name of the first one's Call-ID and CSeq. */
export function put(subject: Subject, ...bindings: Binding[]): RegisterChange {
  const { aor, callId, cseq } = bindings[0]!
  return { aor, callId, cseq, now: subject.now(), put: bindings, remove: [], maxContacts: 10 }
}

export async function contactsOf(subject: Subject, aor = 'sip:bob@example.com'): Promise<string[]> {
  return (await subject.store.lookup(aor)).bindings.map((one) => one.contact)
}
