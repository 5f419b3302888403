import type { RouseEvent } from '../contract/events.ts'
import { keyOf, matches, patternsOf, planFilter } from './filter.ts'
import type { StoredSubscription } from './store.ts'

/** All live subscriptions to one pattern whose filters name the same attributes. */
interface Shape {
  names: string[]
  partial: boolean
  /** By the key of their values. Most keys have one subscription, which then needs no Set of its own. */
  subscriptions: Map<string, StoredSubscription | Set<StoredSubscription>>
}

/**
 * Finds the subscriptions an event matches: pattern, then filter shape, then the values as one key. An event costs one look-up
 * for each shape in use under its type, however many subscriptions there are.
 */
export class SubscriptionIndex {
  readonly #patterns = new Map<string, Map<string, Shape>>()

  add(subscription: StoredSubscription): void {
    const plan = planFilter(subscription.filter)
    const shapes = getOrMake(this.#patterns, subscription.event, () => new Map<string, Shape>())
    const shape = getOrMake(shapes, plan.shape, () => ({
      names: plan.names,
      partial: plan.partial,
      subscriptions: new Map(),
    }))
    for (const key of plan.keys) insert(shape.subscriptions, key, subscription)
  }

  /** Takes out a subscription that was added: the very object. */
  remove(subscription: StoredSubscription): void {
    const plan = planFilter(subscription.filter)
    const shapes = this.#patterns.get(subscription.event)
    const shape = shapes?.get(plan.shape)
    if (!shapes || !shape) return
    for (const key of plan.keys) take(shape.subscriptions, key, subscription)
    if (shape.subscriptions.size === 0) shapes.delete(plan.shape)
    if (shapes.size === 0) this.#patterns.delete(subscription.event)
  }

  /** Appends to `into` every subscription the event matches that lives beyond `now`. */
  match(event: RouseEvent, now: number, into: StoredSubscription[]): void {
    for (const pattern of patternsOf(event.type)) {
      const shapes = this.#patterns.get(pattern)
      if (!shapes) continue
      for (const shape of shapes.values()) matchShape(shape, event, now, into)
    }
  }
}

function matchShape(shape: Shape, event: RouseEvent, now: number, into: StoredSubscription[]): void {
  const key = keyOf(shape.names, event.attributes)
  const found = key === undefined ? undefined : shape.subscriptions.get(key)
  if (!found) return
  if (found instanceof Set) {
    for (const subscription of found) offer(shape, subscription, event, now, into)
  } else {
    offer(shape, found, event, now, into)
  }
}

function offer(
  shape: Shape,
  subscription: StoredSubscription,
  event: RouseEvent,
  now: number,
  into: StoredSubscription[],
): void {
  if (subscription.expiresAt <= now) return
  if (shape.partial && !matches(subscription.filter, event.attributes)) return
  into.push(subscription)
}

function insert(subscriptions: Shape['subscriptions'], key: string, subscription: StoredSubscription): void {
  const held = subscriptions.get(key)
  if (held instanceof Set) held.add(subscription)
  else subscriptions.set(key, held ? new Set([held, subscription]) : subscription)
}

function take(subscriptions: Shape['subscriptions'], key: string, subscription: StoredSubscription): void {
  const held = subscriptions.get(key)
  if (held === subscription) subscriptions.delete(key)
  else if (held instanceof Set && held.delete(subscription) && held.size === 0) subscriptions.delete(key)
}

function getOrMake<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}
