import type { Clock, IdSource } from '../contract/clock.ts'
import type { Contact } from '../contract/envelope.ts'
import type { EventAttributes } from '../contract/events.ts'
import { platformClock, platformIds } from '../contract/platform.ts'
import { aorOf } from '../contract/uri/uri.ts'
import { validateEvent } from '../contract/validate.ts'
import { contactData } from '../store/contact-data.ts'
import { createUpstashStore } from '../store/redis/rest.ts'
import { RouseError } from './rouse-error.ts'
import { checkedSettings, type StoreSettings, settingsOf } from './store-settings.ts'

/**
 * The gateways' Redis for programs that hold no socket: `import { createStore } from 'rouse/store'`. Apart from 'rouse' itself, so that
 * nobody carries it who does not use it.
 */

export { RouseError } from './rouse-error.ts'

export interface StoreOptions extends StoreSettings {
  /** Milliseconds a look-up may take: a call waits for it; default 400. */
  lookupMs?: number
  /** Milliseconds an event may take on its way; default 2,000. */
  publishMs?: number
  /** Default the platform's. */
  clock?: Clock
  ids?: IdSource
}

export interface PublishOptions {
  /**
   * The event's id, when it has one already (that of the webhook it came with): published again under the same id, no wait or subscription
   * acts on it twice. Default a new one.
   */
  id?: string
}

export interface Published {
  id: string
  /** How many waits and subscriptions of calls it matched. */
  matched: number
}

/** What programs may do with the store. Rejects with a `RouseError`: `request.invalid`, or `store.unavailable` when a new try may help. */
export interface RouseStore {
  /** The registered contacts of an address of record, best first, as `call.contacts` has them; `[]` when nobody is registered. */
  lookup(aor: string): Promise<Contact[]>
  /**
   * Raises an event: calls that wait for it go on, whichever gateway has them. Every attribute is a text; a predefined type has its own
   * attributes only; 65,536 octets in all.
   */
  publish<Type extends string>(
    type: Type,
    attributes?: EventAttributes<Type>,
    options?: PublishOptions,
  ): Promise<Published>
}

/**
 * Opens nothing yet: each look-up or event is a request of its own.
 * @throws TypeError that names the setting when `url`, `token` or `prefix` cannot be used
 */
export function createStore(options: StoreOptions): RouseStore {
  const { lookupMs = 400, publishMs = 2000, clock = platformClock, ids = platformIds } = options
  const settings = { ...checkedSettings(options), clock, ids }
  const locations = createUpstashStore({ ...settings, deadlineMs: lookupMs })
  const events = createUpstashStore({ ...settings, deadlineMs: publishMs })
  return {
    async lookup(uri) {
      const aor = typeof uri === 'string' ? aorOf(uri) : ''
      if (aor === '') throw invalidAor(uri)
      const { bindings } = await answered('the store could not be asked', locations.lookup(aor))
      const now = clock.now()
      return bindings.map((binding) => contactData(binding, now))
    },
    async publish(type, attributes, { id } = {}) {
      const checked = validateEvent({ id: id ?? ids.next('event'), type, attributes: attributes ?? {} })
      if (!checked.ok) throw new RouseError(checked.problem)
      const event = { ...checked.value, time: clock.now() }
      return { id: event.id, matched: await answered('the event may be lost', events.publish([event])) }
    },
  }
}

const known = new WeakMap<object, RouseStore>()

/**
 * The store that an environment names: `UPSTASH_REDIS_REST_URL`, `UPSTASH_REDIS_REST_TOKEN` and, unless it is `rouse`, `REDIS_PREFIX`; the
 * same one for the same environment.
 * @param env `process.env`, or the second argument of `fetch`
 * @returns undefined when it names none
 * @throws TypeError that names the setting when it names half of one
 */
export function storeFromEnv(env: unknown): RouseStore | undefined {
  if (typeof env !== 'object' || env === null) return undefined
  const settings = settingsOf(env)
  if (settings === undefined) return undefined
  const store = known.get(env) ?? createStore(settings)
  known.set(env, store)
  return store
}

async function answered<T>(consequence: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    const detail = `${consequence}: ${why}; see UPSTASH_REDIS_REST_URL and its token, or try again`
    throw new RouseError({ code: 'store.unavailable', detail }, { cause })
  }
}

function invalidAor(uri: unknown): RouseError {
  const detail = `aor: expected a sip, sips or tel URI, got ${JSON.stringify(String(uri).slice(0, 80))}`
  return new RouseError({ code: 'request.invalid', detail })
}
