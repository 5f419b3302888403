import type { Filter, RouseEvent } from '../contract/events.ts'

/**
 * Everything that has to outlive a request. Written for Redis: asynchronous, one round trip per step. `memory.ts` is the
 * embedded default. Each implementation passes test/conformance.
 */

/** A position in the history of events: what was published after it counts for a subscription stored later. Opaque. */
export type Position = string

/** How a REGISTER reached the gateway, kept to send requests back along it. */
export interface ReceivedFlow {
  transport: 'udp' | 'tcp' | 'tls' | 'ws' | 'wss'
  address: string
  port: number
  /** Which listener, as `transport:address:port`. */
  listener: string
  /** Connection of a stream, 0 for UDP; only meaningful inside the gateway `gateway`. */
  connection: number
  gateway: string
  /** The contact is not reachable at its own address: send to this flow (RFC 3581, 5626). */
  nat: boolean
}

/** RFC 8599 parameters of a contact. Secrets: never logged, shown or forwarded. */
export interface PushParameters {
  provider: string
  prid: string
  param: string
  /** Since when the provider does not know the token any more, milliseconds since the epoch: nothing is pushed until it registers again. */
  invalidSince?: number
}

export interface Binding {
  /** Canonical address-of-record, see `canonicalAor`. */
  aor: string
  /** Contact URI as others may see it: without the pn-* parameters. */
  contact: string
  /** The device: `+sip.instance` (with reg-id), else a digest of pn-prid, else the contact itself. One branch per device. */
  device: string
  instance?: string
  regId?: number
  /** 0 to 1; default 1. */
  q: number
  /** Milliseconds since the epoch. */
  expiresAt: number
  registeredAt: number
  callId: string
  cseq: number
  /** Path values, topmost first (RFC 3327). */
  path: string[]
  received: ReceivedFlow
  push?: PushParameters
  /** When a push is to ask its device to refresh it, milliseconds since the epoch, and how often one has before; absent: none is to. */
  refresh?: { at: number; tries: number }
  /** Its device has unregistered and may only be woken: nothing is sent there until it registers again. */
  asleep?: true
  userAgent?: string
  /** Header parameters of the Contact besides q and expires, as received, e.g. `;+sip.instance="<urn:…>";methods="INVITE"`. */
  parameters: string
}

export interface RemovedContact {
  contact: string
  device: string
  /** When the contact named one. */
  instance?: string
  /** What can be woken falls asleep instead, until then; milliseconds since the epoch. */
  keepUntil?: number
}

export interface RegisterChange {
  aor: string
  callId: string
  cseq: number
  now: number
  /**
   * Bindings to add or refresh, with their absolute expiry. Each replaces the binding of the same device, and that of the same
   * contact URI unless both name an instance and these differ (RFC 5626 6: two phones behind two NATs may have equal addresses).
   */
  put: Binding[]
  /** Contacts to remove, matched as in `put`. `'*'` removes all. */
  remove: '*' | RemovedContact[]
  /** A change after which there would be more bindings than this, and more than before, is refused whole. */
  maxContacts: number
  /** Id of the `contact.registered` of the first binding that is put, where the change may be applied twice; absent: a new one. */
  event?: string
}
export type RegisterOutcome =
  /**
   * Bindings after the change, and the contact.* events it causes: to be published once the 200 is decided. A subscription that is stored
   * before that may have them among what it has missed.
   */
  | ({ ok: true; events: RouseEvent[] } & Whereabouts)
  /** `order`: same Call-ID with a CSeq not above the stored one (RFC 3261 10.3 step 7); nothing was changed. */
  | ({ ok: false; why: 'order' | 'too many contacts' } & Whereabouts)

/** Live bindings of an AOR, highest q first, then most recently registered first. */
export interface Whereabouts {
  /** Where its devices are. */
  bindings: Binding[]
  /** Those of devices that have unregistered and may only be woken; absent when there are none. */
  asleep?: Binding[]
}

export interface Location extends Whereabouts {
  at: Position
  /** Names this look-up for `Store.settle`; absent where that has no use. */
  snapshot?: number
}

/** A live interest of a suspended transaction in events. */
export interface StoredSubscription {
  id: string
  /** Transaction it belongs to. */
  transaction: string
  /** Gateway that owns the transaction. */
  gateway: string
  /** `contact.registered`, or `contact.*`. */
  event: string
  filter: Filter
  /** Milliseconds since the epoch. */
  expiresAt: number
}

/** A subscription that is to go, and what it was to: the index of events finds it by both. */
export type DroppedSubscription = Pick<StoredSubscription, 'id' | 'event'>

/** A transaction as it must be known to be taken up again. */
export interface SuspendedTransaction {
  id: string
  gateway: string
  /** Grows with every write. */
  rev: number
  callId: string
  /** When it must end at the latest, milliseconds since the epoch. */
  expiresAt: number
  /**
   * Opaque to the store: raw request, flow, branches, waits, context. May be written down only when it is read: a store that keeps the
   * record elsewhere reads it within `suspend`.
   */
  readonly state: string
}

/** One event that matches one subscription, on its way to the owner. */
export interface Delivery {
  event: RouseEvent
  subscription: string
  transaction: string
  /** Where the AOR of a `contact.registered` was found just after it, if the store passes that on: what a look-up would have given then. */
  location?: Location
}

/** One socket of a gateway, as the other gateways reach it. */
export interface GatewaySocket {
  transport: 'udp' | 'tcp' | 'tls' | 'ws' | 'wss'
  /** IP literal or name, IPv6 without brackets. */
  host: string
  port: number
  /** `host:port` that it puts into Via and Record-Route: gateways behind one address share it. */
  advertised: string
}

/** Who acts for the calls of one gateway: itself, or another one of its pool that has adopted them. */
export interface GatewayLease {
  /** Whose calls. */
  gateway: string
  /** The gateway that acts for them. */
  holder: string
  /** The holder's process: a new id each time it starts. */
  life: string
  pool: string
  /** The holder's. */
  sockets: GatewaySocket[]
  /** The holder is about to close them: others may send it what belongs to its transactions, and nothing new. */
  isLeaving?: boolean
}

/** A lease as the store has it. */
export interface SeenLease extends GatewayLease {
  /** Milliseconds until it lapses; 0 once it has. */
  leftMs: number
  /** The gateway itself is back and waits for who has adopted its calls. */
  isWanted: boolean
}

export interface LeaseStep {
  /** The process that asks. */
  life: string
  /** It has just started. */
  isStart: boolean
  /** Leases to take or to renew, for `ttlMs` from now. */
  take: GatewayLease[]
  /** Gateways whose calls somebody else may act for at once. */
  leave: string[]
  /** Gateways that have no calls left. */
  forget: string[]
  ttlMs: number
  /** Becomes the secret of all gateways of this store unless there is one. */
  secret: string
}

/** Takes over deliveries, at the latest when the promise is settled. */
export type Receive = (deliveries: Delivery[]) => void | Promise<void>

export interface Store {
  /** One look-up of an AOR: one round trip. An AOR nobody registered has `bindings: []`. */
  lookup(aor: string): Promise<Location>
  /**
   * Nobody will subscribe to what was raised since that look-up: a store need not keep it for him. Look-ups of which this is never said are
   * taken for settled after some seconds.
   */
  settle?(location: Location): void
  /** Applies a REGISTER as one step: all or nothing, in one order for all gateways. */
  register(change: RegisterChange): Promise<RegisterOutcome>
  /**
   * Writes `amended` in place of a binding that is still exactly what was read; both are of one AOR. No event comes of it.
   * @returns false when it has changed since, or is gone: nothing was written
   */
  amend(known: Binding, amended: Binding): Promise<boolean>
  /**
   * Takes out bindings that have expired by `now` (at most `limit`) and returns their `contact.expired` events; one that was asleep is gone
   * already for everybody who listens, and has none.
   */
  expire(now: number, limit: number): Promise<RouseEvent[]>
  /**
   * Live bindings, at most `limit`, whose `refresh` is due by `now`, unless they are asleep or their token is invalid. They stay due until
   * they are amended: of several gateways the one whose `amend` is true may push.
   */
  refreshDue(now: number, limit: number): Promise<Binding[]>
  /**
   * Every live binding, those asleep too, a page at a time; `cursor` '' begins, and ends. `limit` is a wish: the bindings of one AOR stay together.
   * What is registered all the while is listed exactly once, whatever else comes and goes.
   */
  registrations(cursor: string, limit: number): Promise<{ bindings: Binding[]; cursor: string }>

  /**
   * Writes the transaction (an older `rev` than the stored one is not written) and adds and drops subscriptions in one step; a
   * subscription of the same id is replaced. Events published after `since` that match an added
   * subscription are returned: they are deliveries that would otherwise have been lost.
   */
  suspend(step: {
    transaction: SuspendedTransaction
    add: StoredSubscription[]
    drop: DroppedSubscription[]
    since: Position
  }): Promise<Delivery[]>
  /**
   * Writes the transaction as it is after a wait, if this is the first to claim the wait: claim and record are won or lost as one step.
   * Subscriptions stay as they are. A claim belongs to its transaction, stands for `ttlMs` and outlives `release`.
   * @returns false when another has claimed it before, or has written a later `rev`: nothing was written
   */
  resume(step: { transaction: SuspendedTransaction; claim: string; ttlMs: number }): Promise<boolean>
  /**
   * The transaction has ended: forgets it and its subscriptions.
   * @param rev  the last one that was written: a write up to this that is still on its way, and comes late, is dropped
   * @param held what its owner knows of it, which spares a look: subscriptions beyond these are left to their expiry
   */
  release(
    transaction: string,
    rev?: number,
    held?: { gateway: string; subscriptions: DroppedSubscription[] },
  ): Promise<void>
  /**
   * When the gateway was last known to read its inbox, at most 3 s before it ended; milliseconds since the epoch by its own clock, 0 when
   * that is not known (any more).
   */
  lastSeen(gateway: string): Promise<number>
  /** The suspended transactions of a gateway. */
  suspended(gateway: string): Promise<SuspendedTransaction[]>
  /** Live subscriptions of a transaction, for people who look. */
  subscriptions(transaction: string): Promise<StoredSubscription[]>

  /**
   * Leases of the gateways that share this store, by the store's own clock. One is taken when nobody holds it, when it has lapsed, when
   * this process holds it, and by a gateway that starts from an older process of its own: two processes of one id are one too many, and the
   * newer one counts. A gateway that finds its lease with another one marks it as wanted. Only what `life` holds is left or forgotten.
   * @returns the gateways whose lease was taken, every lease as it is now, and the secret that all these gateways share
   */
  leases(step: LeaseStep): Promise<{ taken: string[]; seen: SeenLease[]; secret: string }>

  /**
   * One winner: true for the first caller with this key, false for all later ones, for `ttlMs`. For what is not a step of a suspended
   * transaction, see `resume`.
   */
  claim(key: string, ttlMs: number): Promise<boolean>
  /** What was remembered under this key, while it lasts. */
  recall(key: string): Promise<string | undefined>
  /** Keeps a value for `ttlMs`, in the place of an earlier one: what can be found out anew, at a price. */
  remember(key: string, value: string, ttlMs: number): Promise<void>
  /** Matches each event against all live subscriptions, O(filter shapes + matches), and hands the matches to the owners' inboxes. Returns how many. */
  publish(events: RouseEvent[]): Promise<number>
  /**
   * Receives the deliveries for the transactions of `gateway`, in batches, each event at least once: those that were not taken over when
   * the process ended, the next one receives again.
   * @param lost called when the store has lost what was suspended for `gateway`, or the last of it: all of it is to be written again
   */
  inbox(gateway: string, receive: Receive, lost?: () => void): Promise<{ close(): Promise<void> }>
  close(): Promise<void>
}
