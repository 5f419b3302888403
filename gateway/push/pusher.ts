import { type Clock, type IdSource, pause } from '../../functions/contract/clock.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import type { PushMessage, PushResult } from '../../functions/contract/push.ts'
import { type Rate, RateLimit } from '../../functions/contract/rate.ts'
import type { Binding, PushParameters, Store } from '../../functions/store/store.ts'
import type { Log } from '../observe/log.ts'
import type { PushMetrics } from './metrics.ts'
import type { Pushed, Pusher, PushJob, PushSender } from './types.ts'

export interface PusherParts {
  sender: PushSender
  store: Pick<Store, 'amend'>
  clock: Clock
  ids: IdSource
  /** From 0 to 1. */
  random(): number
  /** @param callId of the call or request that they are about */
  publish(events: RouseEvent[], callId?: string): unknown
  metrics: PushMetrics
  log: Log
  limits: PushLimits
}

export interface PushLimits {
  /** Pushes for calls and requests to one AOR; undefined: no limit. */
  perAor: Rate | undefined
  /** And those that one caller causes. */
  perCaller: Rate | undefined
}

/** Ten in a row to one AOR, and then one every six seconds; three times as many by one caller. */
export const DEFAULT_PUSH_LIMITS: PushLimits = {
  perAor: { count: 10, perMs: 60_000 },
  perCaller: { count: 30, perMs: 60_000 },
}

/** Pause before the second try when the provider names none; doubled before each further one. Milliseconds. */
const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 16_000

export function createPusher(parts: PusherParts): Pusher {
  const perAor = new RateLimit(parts.limits.perAor, parts.clock)
  const perCaller = new RateLimit(parts.limits.perCaller, parts.clock)
  return {
    push: async (job) => {
      const { push } = job.binding
      if (!push || push.invalidSince !== undefined) return told(parts, job, { outcome: 'token_invalid' })
      if (isLimited(job) && !(perAor.take(job.binding.aor) && perCaller.take(job.caller ?? '')))
        return told(parts, job, { outcome: 'limited', error: 'too many pushes' })
      const done = await tried(parts, job, messageOf(job, push, parts.ids.next('push')))
      if (done.outcome === 'token_invalid') await buryToken(parts, job.binding, push)
      return told(parts, job, done)
    },
  }
}

/** What ends a call or keeps a binding wakes nobody who was not woken already. */
function isLimited({ purpose }: PushJob): boolean {
  return purpose === 'call' || purpose === 'request'
}

function messageOf(job: PushJob, { provider, prid, param }: PushParameters, id: string): PushMessage {
  const { binding, purpose, reason, call, data, ttlSeconds } = job
  return {
    id,
    aor: binding.aor,
    device: binding.device,
    provider,
    prid,
    param,
    purpose,
    ...(reason && { reason }),
    ...(call && { call }),
    ttlSeconds,
    ...(data && { data }),
  }
}

/** The same id each time, so that a push function may tell a repeat. */
async function tried(parts: PusherParts, job: PushJob, message: PushMessage): Promise<Pushed> {
  const { clock, metrics, random } = parts
  for (let tries = 1; ; tries++) {
    if (job.isWanted?.() === false) return { outcome: 'unwanted' }
    const { outcome, error, retryAfterSeconds } = await sent(parts.sender, message)
    if (outcome !== 'failed' || retryAfterSeconds === undefined)
      return error === undefined ? { outcome } : { outcome, error }
    const backoffMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1)) * (0.5 + random() / 2)
    const pauseMs = Math.max(retryAfterSeconds * 1000, backoffMs)
    if (clock.now() + pauseMs >= job.until) return { outcome, error: error ?? 'the provider asks to be left alone' }
    metrics.retried(job.binding)
    await pause(clock, pauseMs)
  }
}

async function sent(sender: PushSender, message: PushMessage): Promise<PushResult> {
  try {
    return await sender.send(message)
  } catch {
    // What was thrown may quote the message, and with it the token.
    return { outcome: 'failed', error: 'the push could not be sent', retryAfterSeconds: 0 }
  }
}

/** Never pushed again, until the device registers anew. */
async function buryToken({ store, clock, log }: PusherParts, binding: Binding, push: PushParameters): Promise<void> {
  try {
    await store.amend(binding, { ...binding, push: { ...push, invalidSince: clock.now() } })
  } catch (error) {
    log.error('that a push token is dead could not be written down', { aor: binding.aor, error: String(error) })
  }
}

const EVENTS: { [outcome in Pushed['outcome']]?: string } = {
  accepted: 'push.accepted',
  failed: 'push.failed',
  limited: 'push.failed',
  token_invalid: 'push.token_invalid',
}

function told({ metrics, clock, ids, publish, log }: PusherParts, job: PushJob, pushed: Pushed): Pushed {
  const { binding, purpose, call } = job
  const { outcome, error = '' } = pushed
  const provider = binding.push?.provider ?? ''
  metrics.pushed(binding, purpose, outcome)
  log.info('push', { aor: binding.aor, provider, purpose, call: call?.id, outcome, error: error || undefined })
  const type = EVENTS[outcome]
  if (type !== undefined) {
    const attributes = { aor: binding.aor, contact: binding.contact, provider, purpose, error }
    publish([{ id: ids.next('event'), type, time: clock.now(), attributes }], job.callId)
  }
  return pushed
}
