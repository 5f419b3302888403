import type { Clock, IdSource } from '../functions/contract/clock.ts'
import type { RouseEvent } from '../functions/contract/events.ts'
import { Ingress } from '../functions/ingress/ingress.ts'
import { Repeats } from '../functions/ingress/repeats.ts'
import { StoredRepeats } from '../functions/ingress/stored-repeats.ts'
import type { Store } from '../functions/store/store.ts'
import type { Config } from './config.ts'
import { type Counters, series } from './observe/counters.ts'
import type { Log } from './observe/log.ts'

export interface IngressParts {
  publish(event: RouseEvent): Promise<number>
  store: Pick<Store, 'claim' | 'recall' | 'remember'>
  clock: Clock
  ids: IdSource
  counters: Counters
  log: Log
}

/**
 * Webhooks in, as this gateway takes them. What it has raised itself it knows; of a store that others share it asks whether another one has
 * raised it.
 */
export function openIngress({ events, apiToken, redisUrl }: Config, parts: IngressParts): Ingress {
  const { publish, store, clock, ids, counters, log } = parts
  const { token, ...settings } = events
  const onTrouble = (what: string, error: unknown) => log.warn(what, { error })
  const shared = redisUrl === undefined ? undefined : new StoredRepeats({ store, clock, onTrouble })
  return new Ingress({
    ...settings,
    tokens: [
      ...(apiToken === undefined ? [] : [{ setting: 'API_TOKEN', token: apiToken }]),
      ...(token === undefined ? [] : [{ setting: 'EVENTS_TOKEN', token }]),
    ],
    withoutToken: 'loopback',
    publish,
    once: new Repeats(clock, shared),
    count: (result) => counters.count(series('events_posted', { result })),
    clock,
    ids,
    log,
  })
}
