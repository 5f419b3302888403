import type { HeaderEdits } from '../contract/actions.ts'
import type { Timer } from '../contract/clock.ts'
import type { Branch as BranchData } from '../contract/envelope.ts'
import { type ForkMode, groupTargets, triesOnAfter } from '../contract/target-groups.ts'
import type { Binding } from '../store/store.ts'

/** One place to fork a request to. */
export interface Target {
  uri: string
  q: number
  /** Of which one branch rings at a time; for a target that is no registered contact, the URI. */
  device: string
  binding: Binding | undefined
}

/** How one set of targets is tried. */
export interface ForkPolicy {
  mode: ForkMode
  ringForMs: number | undefined
  noReplyForMs: number | undefined
  headers: HeaderEdits | undefined
  retryOn: readonly number[] | undefined
  finalOn: readonly number[] | undefined
  /** Somebody waits for its outcome, which a 6xx is. */
  isAwaited: boolean
  id: string | undefined
  onFailed: string | undefined
}

/** A phone that is rung. */
export class Branch {
  readonly id: string
  readonly fork: Fork
  target: Target
  state: BranchData['state'] | 'cancelling' = 'calling'
  status = 0
  /** The phone itself has said no. */
  isFromPhone = false
  /** Given up: what it still says does not count, unless it answers. */
  isAbandoned = false
  readonly startedAt: number
  /** Timer C, no reply, and the end of a transaction that nobody answers. */
  timers: Timer[] = []
  /** What waits for its end. */
  whenGone: (() => void) | undefined

  constructor(id: string, fork: Fork, target: Target, startedAt: number) {
    this.id = id
    this.fork = fork
    this.target = target
    this.startedAt = startedAt
  }

  get isLive(): boolean {
    return (this.state === 'calling' || this.state === 'ringing' || this.state === 'cancelling') && !this.isAbandoned
  }

  /** The user has said no: the device is not asked again when it registers anew. */
  get wasRefused(): boolean {
    return this.isFromPhone && (this.status === 486 || this.status >= 600)
  }

  stopTimers(): void {
    for (const timer of this.timers) timer.cancel()
    this.timers = []
  }
}

/** Targets that are tried under one policy, group by group. */
export class Fork {
  readonly policy: ForkPolicy
  readonly branches: Branch[] = []
  readonly #groups: Target[][]
  isAnswered = false
  timer: Timer | undefined

  constructor(targets: readonly Target[], policy: ForkPolicy) {
    this.policy = policy
    this.#groups = groupTargets(targets, policy.mode)
  }

  nextGroup(): Target[] | undefined {
    return this.#groups.shift()
  }

  /** No further group is tried. */
  abandon(): void {
    this.#groups.length = 0
  }

  stopTimer(): void {
    this.timer?.cancel()
    this.timer = undefined
  }

  get isLive(): boolean {
    return this.branches.some(({ isLive }) => isLive)
  }

  get isOver(): boolean {
    return this.#groups.length === 0 && !this.isLive
  }

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

/** A branch as invocations tell it. */
export function branchData({ id, target, state, status, fork }: Branch): BranchData {
  const data: BranchData = { id, uri: target.uri, state: state === 'cancelling' ? 'cancelled' : state, status }
  if (fork.policy.id !== undefined) data.fork = fork.policy.id
  return data
}
