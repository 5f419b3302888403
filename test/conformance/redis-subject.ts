import type { RedisStoreOptions } from '../../functions/store/redis/redis-store.ts'
import { createUpstashStore } from '../../functions/store/redis/rest.ts'
import { createRedisStore } from '../../functions/store/redis/tcp.ts'
import { CountingIds } from '../support/fake-clock.ts'
import { ShiftedClock } from '../support/shifted-clock.ts'
import type { Subject } from './subject.ts'

/** A subject whose time can be set forward, with keys of its own unless it is given the `prefix` of another. */
export interface RedisSubject extends Subject {
  clock: ShiftedClock
  prefix: string
}
type Options = Partial<RedisStoreOptions> & { clock?: ShiftedClock }

let prefixes = 0

/** A store in a real Redis: short times really pass, longer ones are skipped. */
export function redisSubject(url: string, options: Options = {}): RedisSubject {
  const whole = completed(options)
  return subjectOf(createRedisStore({ url, ...whole }), whole)
}

/** The same over HTTP. */
export function upstashSubject(url: string, token: string, options: Options = {}): RedisSubject {
  const whole = completed({ pollMs: 5, ...options })
  return subjectOf(createUpstashStore({ url, token, ...whole }), whole)
}

/** A busy machine is no reason for a store under test to give up. */
const PATIENT_MS = 30_000

function completed(options: Options) {
  const clock = options.clock ?? new ShiftedClock()
  const prefix = options.prefix ?? `test${process.pid}-${++prefixes}`
  return { ids: new CountingIds(), deadlineMs: PATIENT_MS, ...options, clock, prefix }
}

function subjectOf(store: Subject['store'], { clock, prefix }: ReturnType<typeof completed>): RedisSubject {
  return { store, clock, prefix, now: () => clock.now(), pass: (ms) => clock.pass(ms), close: () => store.close() }
}
