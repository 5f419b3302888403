import type { HeaderEdits } from '../../functions/contract/actions.ts'
import { type ForkMode, triesOnAfter } from '../../functions/contract/target-groups.ts'
import type { MediaPolicy } from '../media/types.ts'
import type { Branch } from './branch.ts'
import type { ProxyContext } from './context.ts'
import type { Target } from './target.ts'

/** How one set of targets is tried. Durations in milliseconds. */
export interface ForkPolicy {
  mode: ForkMode
  /** A group that has not answered by then is given up as 408. */
  ringForMs?: number
  /** A branch without any response by then is given up as 408. */
  noReplyForMs?: number
  headers?: HeaderEdits
  /** After which failures the next group is tried; absent: all. */
  retryOn?: readonly number[]
  /** Failures of a branch that end the whole transaction; absent: 6xx (RFC 3261 16.7 step 5), unless the fork is awaited. */
  finalOn?: readonly number[]
  /** Somebody waits for its outcome, which a 6xx is: it ends this fork, and the transaction goes on. */
  isAwaited?: boolean
  id?: string
  onFailed?: string
  /** Media goes by way of an rtpengine; absent: directly. */
  media?: MediaPolicy
}

/** Targets tried under one policy: a transaction has one for each fork it was told of. */
export class Fork {
  readonly policy: ForkPolicy
  branches: readonly Branch[] = []
  readonly #groups: Target[][]
  answered = false
  /** The running ring-for timer, and whom it tells. */
  timer: unknown
  context: ProxyContext | undefined

  /** @param groups see groupTargets; becomes the fork's own */
  constructor(groups: Target[][], policy: ForkPolicy) {
    this.policy = policy
    this.#groups = groups
  }

  /** Those that were not tried yet. */
  get groups(): readonly (readonly Target[])[] {
    return this.#groups
  }

  /** The next group to try; undefined when all were. */
  nextGroup(): Target[] | undefined {
    return this.#groups.shift()
  }

  /** No further group will be tried. */
  abandon(): void {
    this.#groups.length = 0
  }

  onTimer(): void {
    this.timer = undefined
    this.context?.ringingTimedOut(this)
  }

  get isLive(): boolean {
    for (const branch of this.branches) if (branch.isLive) return true
    return false
  }

  get isOver(): boolean {
    return this.#groups.length === 0 && !this.isLive
  }

  /** Whether the failure `status` lets the next group be tried. */
  triesOnAfter(status: number): boolean {
    return triesOnAfter(status, this.policy.retryOn)
  }

  /** What the failure `status` of one branch ends. */
  ends(status: number): 'transaction' | 'fork' | undefined {
    const { finalOn, isAwaited } = this.policy
    if (finalOn) return finalOn.includes(status) ? 'transaction' : undefined
    if (status < 600) return undefined
    return isAwaited ? 'fork' : 'transaction'
  }
}
