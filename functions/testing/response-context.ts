import { bestResponse } from '../contract/best-response.ts'
import type { Clock, IdSource } from '../contract/clock.ts'
import { reasonPhrase } from '../contract/reason-phrases.ts'
import { Branch, Fork, type ForkPolicy, type Target } from './branch.ts'

/** A response the caller got. */
export interface CallerResponse {
  status: number
  reason: string
  headers: [string, string][]
  body: string
}

/** What the owner of a request is told, as the gateway's proxy core tells it. */
export interface ContextOwner {
  onRinging(status: number): void
  onAnswered(branch: Branch): void
  onBranchFailed(branch: Branch): void
  onForkEnded(fork: Fork, isAnswered: boolean, status: number): void
  onCancelled(): void
  onFinal(status: number, reason: string): void
}

/** The phones a request is forked to, and the network between. */
export interface PhoneWorld {
  clock: Clock
  ids: IdSource
  /** Somebody is at that contact and hears what is sent there. */
  isAwake(target: Target): boolean
  /** Once everything that goes on now is done: what a phone says has its way to go. */
  later(action: () => void): void
}

/** Milliseconds: RFC 3261 timers B and F (64*T1), Timer C of the gateway, and how long one is silent before nobody is there. */
const TRANSACTION_MS = 32_000
const TIMER_C_MS = 185_000
const SILENT_MS = 1500

/**
 * The response context of RFC 3261 16.7 without its messages: every phone that is awake rings at once, and answers, fails or stays as it
 * is told.
 */
export class ResponseContext {
  readonly branches: Branch[] = []
  readonly forks: Fork[] = []
  readonly responses: CallerResponse[] = []
  finalStatus = 0
  isCancelled = false
  readonly #isInvite: boolean
  readonly #owner: ContextOwner
  readonly #world: PhoneWorld
  #nobodyCame = false
  #closedBy: Branch | undefined
  #holds = 0

  constructor(method: string, owner: ContextOwner, world: PhoneWorld) {
    this.#isInvite = method === 'INVITE'
    this.#owner = owner
    this.#world = world
  }

  /** No final response yet, and none decided. */
  get isOpen(): boolean {
    return this.finalStatus === 0 && !this.isCancelled && this.#closedBy === undefined
  }

  get hasLiveBranch(): boolean {
    return this.branches.some(({ isLive }) => isLive)
  }

  hold(): void {
    this.#holds++
  }

  release(): void {
    this.#holds--
    this.#settle()
  }

  /** The time for late branches is over. */
  stopWaiting(): void {
    this.#nobodyCame = true
    const now = this.#world.clock.now()
    for (const branch of this.branches) {
      if (branch.isLive && branch.status === 0 && now - branch.startedAt >= SILENT_MS) this.#timedOut(branch)
    }
    this.release()
  }

  fork(targets: readonly Target[], policy: ForkPolicy): void {
    if (!this.isOpen) return
    const wanted: Target[] = []
    for (const target of targets) {
      if (!wanted.some(({ uri }) => uri === target.uri) && this.#makeRoomFor(target)) wanted.push(target)
    }
    const fork = new Fork(wanted, policy)
    this.forks.push(fork)
    this.#tryNextGroup(fork)
    this.#goOn()
  }

  /** A device rings once; at another place it replaces its own branch; one that has said no is not asked again. */
  #makeRoomFor(target: Target): boolean {
    for (const branch of this.branches) {
      if (branch.target.device !== target.device || isLeaving(branch, target)) continue
      if (branch.isLive) {
        if (branch.target.uri === target.uri) {
          if (branch.status === 0) this.#world.later(() => this.#rings(branch))
          return false
        }
        this.#giveUp(branch)
      } else if (branch.wasRefused) return false
    }
    return true
  }

  #tryNextGroup(fork: Fork): void {
    const group = fork.nextGroup()
    if (!group) return this.#endFork(fork)
    const { clock, ids } = this.#world
    const { ringForMs, noReplyForMs } = fork.policy
    const started = group.map((target) => new Branch(ids.next('branch'), fork, target, clock.now()))
    fork.branches.push(...started)
    this.branches.push(...started)
    fork.stopTimer()
    if (ringForMs !== undefined) fork.timer = clock.after(ringForMs, () => this.#ringingTimedOut(fork))
    for (const branch of started) {
      if (noReplyForMs !== undefined) this.#startTimer(branch, noReplyForMs, () => this.#timedOut(branch))
      this.#startTimer(branch, TRANSACTION_MS, () => this.fails(branch, 408, false))
      this.#start(branch)
    }
  }

  /** A phone that is told to ring no more has to say that it does not before it is asked again. */
  #start(branch: Branch): void {
    const leaving = this.branches.find((each) => isLeaving(each, branch.target))
    const ring = () => this.#world.later(() => this.#rings(branch))
    if (leaving) leaving.whenGone = ring
    else ring()
  }

  #startTimer(branch: Branch, ms: number, action: () => void): void {
    branch.timers.push(this.#world.clock.after(ms, action))
  }

  #rings(branch: Branch): void {
    if (!this.#isInvite || branch.state !== 'calling' || branch.isAbandoned || !this.#world.isAwake(branch.target))
      return
    branch.stopTimers()
    this.#startTimer(branch, TIMER_C_MS, () => this.#timedOut(branch))
    branch.state = 'ringing'
    branch.status = 180
    if (this.finalStatus !== 0) return
    this.#tell(180)
    this.#owner.onRinging(180)
  }

  /** Somebody picks up at that phone. */
  answers(branch: Branch): void {
    branch.stopTimers()
    branch.state = 'answered'
    branch.status = 200
    branch.fork.isAnswered = true
    if (this.finalStatus !== 0) return
    this.#tell(200)
    this.finalStatus = 200
    this.#stopTrying()
    this.cancelBranches()
    this.#owner.onAnswered(branch)
    this.#owner.onForkEnded(branch.fork, true, 200)
    this.#owner.onFinal(200, reasonPhrase(200))
  }

  /** @param isFromPhone it has said so itself; else it is a status of the gateway's making */
  fails(branch: Branch, status: number, isFromPhone: boolean): void {
    const { state, fork } = branch
    if (state === 'failed' || state === 'cancelled' || state === 'answered') return
    branch.stopTimers()
    branch.state = state === 'cancelling' ? 'cancelled' : 'failed'
    branch.status = status
    branch.isFromPhone = isFromPhone
    branch.whenGone?.()
    if (branch.isAbandoned || this.finalStatus !== 0) return
    if (state !== 'cancelling') {
      const end = fork.ends(status)
      if (end === 'transaction') this.#closeBy(branch)
      else if (end === 'fork' || !fork.triesOnAfter(status)) fork.abandon()
      if (end === 'fork') this.cancelBranches((each) => each.fork === fork)
      this.#owner.onBranchFailed(branch)
    }
    this.#progress(fork)
  }

  #progress(fork: Fork): void {
    if (!fork.isLive) this.#tryNextGroup(fork)
    this.#settle()
  }

  /** Forks whose branches were taken from them go on with their next group. */
  #goOn(): void {
    for (const fork of this.forks) if (!fork.isLive && !fork.isOver) this.#tryNextGroup(fork)
  }

  #endFork(fork: Fork): void {
    fork.stopTimer()
    if (fork.isAnswered || this.finalStatus !== 0) return
    const failures = fork.branches.map(({ status }) => status)
    this.#owner.onForkEnded(fork, false, failures[bestResponse(failures)] ?? 480)
  }

  /** One failure decides (RFC 3261 16.7 step 5). */
  #closeBy(branch: Branch): void {
    this.#closedBy ??= branch
    for (const fork of this.forks) fork.abandon()
    this.cancelBranches()
  }

  #ringingTimedOut(fork: Fork): void {
    fork.timer = undefined
    for (const branch of fork.branches) if (branch.isLive) this.#giveUp(branch)
    this.#progress(fork)
  }

  #timedOut(branch: Branch): void {
    this.#giveUp(branch)
    this.#owner.onBranchFailed(branch)
    this.#progress(branch.fork)
  }

  #giveUp(branch: Branch): void {
    branch.stopTimers()
    branch.isAbandoned = true
    branch.status = 408
    branch.state = 'cancelled'
    branch.whenGone?.()
  }

  /** Who rings says 487 to the CANCEL; who is silent has ended at once. */
  cancelBranches(which: (branch: Branch) => boolean = () => true): void {
    for (const branch of this.branches) {
      if (!branch.isLive || branch.state === 'cancelling' || !which(branch)) continue
      branch.stopTimers()
      if (this.#isInvite && branch.state === 'ringing') {
        branch.state = 'cancelling'
        this.#world.later(() => this.fails(branch, 487, true))
      } else {
        branch.state = 'cancelled'
        branch.isAbandoned = true
        if (branch.status === 0) branch.status = 487
      }
    }
  }

  cancelOnRequest(which: (branch: Branch) => boolean): void {
    this.cancelBranches(which)
    this.#goOn()
    this.#settle()
  }

  /** The caller's CANCEL (RFC 3261 16.10). */
  cancelledByCaller(): void {
    if (this.finalStatus !== 0) return
    this.isCancelled = true
    for (const fork of this.forks) fork.abandon()
    this.cancelBranches()
    this.#owner.onCancelled()
    this.#settle()
  }

  /** A response of the gateway's own; a final one ends the request. */
  respond(status: number, reason?: string, { headers, body }: Partial<CallerResponse> = {}): void {
    if (this.finalStatus !== 0) return
    this.#tell(status, reason, headers, body)
    if (status >= 200) this.#finish(status, reason)
  }

  #tell(status: number, reason = reasonPhrase(status), headers: [string, string][] = [], body = ''): void {
    this.responses.push({ status, reason, headers, body })
  }

  /** Sends the final response when nothing is left that could change it. */
  #settle(): void {
    if (this.finalStatus !== 0 || this.hasLiveBranch) return
    const isDecided = this.isCancelled || this.#closedBy !== undefined
    if (!isDecided && (this.#holds > 0 || this.forks.some(({ isOver }) => !isOver))) return
    if (this.isCancelled) this.respond(487)
    else this.#sendBest()
  }

  #sendBest(): void {
    const best = this.#best()
    if (!best) return this.respond(480)
    // RFC 4320 4.2: no late 408 to a non-INVITE.
    if (best.status === 408 && !this.#isInvite) return this.#finish(408)
    if (best.status === 503) return this.respond(500)
    if (best.status === 430) return this.respond(480)
    if (best.status === 487 && best.state === 'cancelled') return this.respond(480)
    this.respond(best.status)
  }

  #best(): Branch | undefined {
    const closing = this.#closedBy
    if (closing && closing.status < 600) return closing
    const failed = this.branches.filter(({ status }) => status >= 300)
    const statuses = failed.map(({ status }) => status)
    if (this.#nobodyCame) statuses.push(480)
    return failed[bestResponse(statuses)]
  }

  #finish(status: number, reason = reasonPhrase(status)): void {
    this.finalStatus = status
    this.#stopTrying()
    this.cancelBranches()
    this.#owner.onFinal(status, reason)
  }

  #stopTrying(): void {
    for (const fork of this.forks) {
      fork.abandon()
      fork.stopTimer()
    }
  }
}

/** It rings there, and was told to ring no more. */
function isLeaving({ state, target }: Branch, { device, uri }: Target): boolean {
  return state === 'cancelling' && target.device === device && target.uri === uri
}
