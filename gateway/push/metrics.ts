import type { PushMessage } from '../../functions/contract/push.ts'
import type { Binding } from '../../functions/store/store.ts'
import { type Counters, series } from '../observe/counters.ts'
import type { PushOutcome } from './types.ts'

/**
 * How long a wake-up takes, from stage to stage: the provider has the push, the phone has registered, it has its INVITE, it rings.
 */
export type WakeStage = 'accepted' | 'registered' | 'invited' | 'ringing'

/**
 * What became of a device that was woken for a call: it got the call; the call had ended before, for another reason than that nobody came;
 * it did not come; its token is dead; its push has failed; there were too many.
 */
export type WakeResult = 'woken' | 'call_over' | 'not_woken' | 'token_invalid' | 'failed' | 'limited'

/** Phones choose these words: of so many different ones each has series of its own, the others share one. */
const MAX_APPLICATIONS = 50

/** Counts pushes and times wake-ups, by provider and application. */
export class PushMetrics {
  readonly #counters: Pick<Counters, 'count' | 'observe'>
  readonly #labels = new Map<string, { provider: string; application: string }>()

  constructor(counters: Pick<Counters, 'count' | 'observe'>) {
    this.#counters = counters
  }

  pushed(binding: Binding, purpose: PushMessage['purpose'], outcome: PushOutcome): void {
    this.#counters.count(series('pushes', { ...this.#labelsOf(binding), purpose, outcome }))
  }

  retried(binding: Binding): void {
    this.#counters.count(series('push retries', this.#labelsOf(binding)))
  }

  stage(binding: Binding, stage: WakeStage, ms: number): void {
    const labels = { ...this.#labelsOf(binding), stage }
    this.#counters.observe(series('wake_stage_seconds', labels), ms / 1000)
  }

  wake(binding: Binding, result: WakeResult): void {
    this.#counters.count(series('wakes', { ...this.#labelsOf(binding), result }))
  }

  #labelsOf({ push }: Binding): { provider: string; application: string } {
    const key = `${push?.provider} ${push?.param}`
    const known = this.#labels.get(key)
    if (known) return known
    if (!push || this.#labels.size >= MAX_APPLICATIONS) return { provider: 'other', application: 'other' }
    const labels = { provider: push.provider.slice(0, 64), application: applicationOf(push) }
    this.#labels.set(key, labels)
    return labels
  }
}

/**
 * The application that `pn-param` names, where it does: the project at Firebase, the bundle id at Apple (RFC 8599 8). Elsewhere it may be a
 * key.
 */
function applicationOf({ provider, param }: { provider: string; param: string }): string {
  if (provider === 'fcm') return isName(param) ? param : ''
  if (!provider.startsWith('apns')) return ''
  // TEAMID.bundle.id, and services as `.voip` or `.voip&remote`
  const bundle = param.replace(/^[A-Z0-9]{10}\./, '').replace(/\.(voip|remote)(&(voip|remote))*$/, '')
  return isName(bundle) ? bundle : ''
}

function isName(text: string): boolean {
  return /^[A-Za-z0-9._-]{1,128}$/.test(text)
}
