/** Where the deliveries of a subscription go: one of these, told by which field is there. */
export interface SubscriptionTarget {
  /** A webhook. */
  url?: string
  /** An exchange of RabbitMQ; default the configured one, and the type of the event as routing key. */
  amqp?: { exchange?: string; routingKey?: string }
  /** A topic of Amazon SNS. */
  sns?: { topicArn: string }
}

/** One event on its way to one subscription. */
export interface OutgoingDelivery {
  /** The same on every try: by it a receiver knows a repetition. */
  id: string
  /** Of the event. */
  type: string
  target: SubscriptionTarget
  /** The CloudEvent 1.0 in structured mode, as JSON: what is sent and signed, octet by octet. */
  body: string
  /** Live secrets of the subscription, `whsec_…` separated by spaces; for webhooks. */
  secret: string
}

/**
 * What became of one try: `delivered` for certain; `failed`, to be tried again, not before `retryAfterMs` where the other side has said so;
 * `gone`: the other side wants no more of this subscription. `error` is for people, without secrets.
 */
export type DeliveryOutcome =
  | { outcome: 'delivered' }
  | { outcome: 'failed'; error: string; retryAfterMs?: number }
  | { outcome: 'gone'; error: string }

/** Brings deliveries to one kind of target. */
export interface Sink {
  readonly kind: keyof SubscriptionTarget
  /** Tries of one subscription at once; default 8. */
  readonly parallel?: number
  /** Settles within seconds, with an outcome: never rejects. Several may be under way at once. */
  deliver(delivery: OutgoingDelivery): Promise<DeliveryOutcome>
  /** Calls it whenever the way there is open again, where that is known: what has failed meanwhile is then tried at once. */
  whenBack?(act: () => void): void
}

/** A subscription that another part of the gateway has by its own settings, rather than somebody by the API. */
export interface OwnSubscription {
  /** The same at every start, and at every gateway: `amqp`. */
  id: string
  /** `call.ended`, or `call.*`. */
  types: readonly string[]
  target: SubscriptionTarget
}
