import { bestResponse } from '../../functions/contract/best-response.ts'
import { groupTargets } from '../../functions/contract/target-groups.ts'
import { readNumber } from '../../functions/contract/uri/chars.ts'
import type { MediaSession } from '../media/types.ts'
import { buildResponse, reasonPhrase } from '../sip/build.ts'
import type { SipMessage } from '../sip/message.ts'
import { spliceResponse } from '../sip/splice.ts'
import type { ServerTransaction } from '../transaction/types.ts'
import type { Destination } from '../transport/types.ts'
import { Branch } from './branch.ts'
import { Fork, type ForkPolicy } from './fork.ts'
import { branchWithDigest } from './loop.ts'
import type { ProxyCore } from './proxy.ts'
import type { RouteDecision } from './route.ts'
import type { ContextState } from './state.ts'
import type { Target } from './target.ts'

/** What a response context tells the owner of the request: the call that functions route, or the relay of in-dialog requests. */
export interface ProxyOwner {
  /** The random part of the branch parameter for a target that is tried; absent, or undefined: any new id. */
  nameBranch?(target: Target): string | undefined
  /** Another way for a branch whose next hop, another gateway of ours, cannot be reached; absent, or undefined: there is none. */
  detour?(branch: Branch): Target | undefined
  /** A provisional response above 100 was sent on. */
  onRinging(branch: Branch, response: SipMessage): void
  /** A 2xx was sent on; also for each repeat of it. */
  onAnswered(branch: Branch, response: SipMessage): void
  /** A 2xx that cannot be sent on any more: somebody must ACK and end that call. */
  onOrphan(branch: Branch, response: SipMessage): void
  onBranchFailed(branch: Branch): void
  /** The caller's CANCEL has come and no final response had been sent. */
  onCancelled(): void
  /** Every target of the fork was tried and none answered, or it was answered. `status` is the best failure, 480 when there was no target. */
  onForkEnded(fork: Fork, answered: boolean, status: number): void
  /** A branch stands otherwise than before: who keeps a record of them writes it down once this turn is over. */
  onProgress(): void
  /** Branches were sent, or one rings: whoever does the same fork again gets there again, so that a record of it can wait. */
  onRepeatable(): void
  /** The first final response was sent. `from` is the response it was made of, undefined when it is our own. */
  onFinal(status: number, from: SipMessage | undefined): void
}

/** What was read from a request before it is forwarded. */
export interface ForwardFacts {
  routes: RouteDecision
  /** See loopDigest. */
  digest: string
  /** Our Record-Route goes into the forwarded request. */
  recordRoutes: boolean
  /** See receivedOf. */
  received: { address: string; port: number } | null
  /** Of a request within a dialog: the media that is relayed for that. */
  media?: MediaSession | undefined
}

/** What a response of our own has besides its status and phrase. */
export interface LocalResponse {
  headers?: readonly [string, string][]
  body?: string
  contentType?: string
  /** Reason header value (RFC 3326) of the CANCELs that a final response sends to what still rings. */
  cancelReason?: string | undefined
}

/** Reason header values of the CANCELs we send (RFC 3326). */
export const COMPLETED_ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"'

/** Nobody is told of anything any more. */
const RETIRED: ProxyOwner = {
  onRinging() {},
  onAnswered() {},
  onOrphan() {},
  onBranchFailed() {},
  onCancelled() {},
  onForkEnded() {},
  onProgress() {},
  onRepeatable() {},
  onFinal() {},
}

const NONE: readonly never[] = []
const NO_TARGET: Target = { uri: '', q: 0, device: '', binding: undefined }
const NO_ROUTES: RouteDecision = { uri: '', drop: 0, dropLast: false, next: undefined, count: 0 }

/** A branch without any response after this long has nobody at its other end: three copies of its request were lost. */
const SILENT_MS = 1500

const DEFAULT_MAX_BREADTH = 60
const RETRY_LATER: [string, string][] = [['Retry-After', '10']]

/**
 * The response context of RFC 3261 16.7: one server transaction and its branches, which may be added for as long as no final
 * response was sent. Nothing is final while something holds it open (an invocation, a wait, a halt).
 */
export class ProxyContext {
  readonly proxy: ProxyCore
  readonly server: ServerTransaction
  owner: ProxyOwner
  routes: RouteDecision
  /** Digest of the routing fields, see loop.ts. */
  readonly digest: string
  /** Our Record-Route goes into the forwarded request. */
  readonly recordRoutes: boolean
  readonly received: { address: string; port: number } | null
  media: MediaSession | undefined
  branches: readonly Branch[] = NONE
  forks: readonly Fork[] = NONE
  finalStatus = 0
  /** Pending while it is not known yet which phones ring by the doing of another process: until then none can be cancelled. */
  takingUp: Promise<void> | undefined
  /** Somebody was waited for and has not come in time: 480 stands among the failures to choose from. */
  #nobodyCame = false
  /** The caller has cancelled: the final response is 487 unless a 2xx crosses it. */
  cancelled = false
  /** The failure that ended the transaction early (6xx, finalOn): nothing is added any more. */
  #closedBy: Branch | undefined
  #holds = 0
  /** Once retired: where a 2xx of another branch still goes. */
  #back: Destination | undefined
  #tag = ''

  constructor(proxy: ProxyCore, server: ServerTransaction, owner: ProxyOwner, facts: ForwardFacts) {
    this.proxy = proxy
    this.server = server
    this.owner = owner
    this.routes = facts.routes
    this.digest = facts.digest
    this.recordRoutes = facts.recordRoutes
    this.received = facts.received
    this.media = facts.media
  }

  get request(): SipMessage {
    return this.server.request
  }

  get isInvite(): boolean {
    return this.server.method === 'INVITE'
  }

  /** No final response yet, and none decided: a branch can still be added. */
  get isOpen(): boolean {
    return this.finalStatus === 0 && !this.cancelled && this.#closedBy === undefined
  }

  /** What was decided besides, for a record of it; see state.ts. */
  get decided(): Pick<ContextState, 'nobodyCame' | 'closedBy' | 'tag'> {
    const closedBy = this.#closedBy === undefined ? -1 : this.branches.indexOf(this.#closedBy)
    return { nobodyCame: this.#nobodyCame, closedBy, tag: this.#tag }
  }

  /** Goes on where another process has left off; see takeUpContext. */
  takeUp(state: ContextState, forks: readonly Fork[], branches: readonly Branch[]): void {
    this.finalStatus = state.finalStatus
    this.cancelled = state.cancelled
    this.#nobodyCame = state.nobodyCame
    this.#closedBy = branches[state.closedBy]
    this.#tag = state.tag
    this.forks = forks
    this.branches = branches
  }

  get hasLiveBranch(): boolean {
    return this.branches.some((branch) => branch.isLive)
  }

  /** Unless the caller has heard something already, he hears that his INVITE is under way, and repeats it no more. */
  trying(): void {
    if (!this.isInvite || this.finalStatus !== 0 || this.server.lastResponse !== undefined) return
    this.server.respond(buildResponse(this.request, 100, reasonPhrase(100), { received: this.received }), 100)
  }

  /** Keeps the transaction open although every branch has failed. Each hold needs one `release`. */
  hold(): void {
    this.#holds++
  }

  /** The time for late branches is over: whoever has not made a sound for a while is not waited for either. */
  stopWaiting(): void {
    this.#nobodyCame = true
    const now = this.proxy.now()
    for (const branch of this.branches) {
      if (branch.isLive && branch.status === 0 && now - branch.startedAt >= SILENT_MS) this.branchTimedOut(branch)
    }
    this.release()
  }

  release(): void {
    this.#holds--
    this.settle()
  }

  /**
   * Tries targets under a policy. A device rings once: a target whose device rings already at the same place is left out, or waits until it
   * has ceased to ring there; at another place it replaces that branch, and one that has said no is not asked again.
   * @returns undefined when the transaction takes no more targets (a final response was sent or decided, RFC 3261 16.7)
   */
  fork(targets: readonly Target[], policy: ForkPolicy): Fork | undefined {
    if (!this.isOpen) return undefined
    const wanted: Target[] = []
    for (const target of targets) {
      if (!wanted.some(({ uri }) => uri === target.uri) && this.#makeRoomFor(target)) wanted.push(target)
    }
    const fork = new Fork(groupTargets(wanted, policy.mode), policy)
    this.forks = appended(this.forks, [fork])
    this.#tryNextGroup(fork)
    this.#goOn()
    return fork
  }

  /** Whether `target` is to be tried; gives up an older branch of the same device at another place. */
  #makeRoomFor(target: Target): boolean {
    for (const branch of this.branches) {
      if (branch.target.device !== target.device) continue
      if (isLeaving(branch, target)) continue
      if (branch.isLive) {
        if (samePlace(branch.target, target) && !(branch.status === 0 && isOtherGateways(branch.target, target))) {
          if (branch.status === 0 && branch.transaction && isRegisteredAnew(branch.target, target))
            this.proxy.resend(branch.transaction)
          return false
        }
        this.#giveUp(branch, 'SIP;cause=487;text="Registered anew"')
        this.owner.onRepeatable()
      } else if (branch.wasRefused) return false
    }
    return true
  }

  #tryNextGroup(fork: Fork): void {
    const group = fork.nextGroup()
    if (!group) {
      this.#endFork(fork)
      return
    }
    const maxBreadth = this.request.header('Max-Breadth')
    const breadth = breadthOf(maxBreadth, group.length)
    if (breadth === 0) {
      fork.abandon()
      this.respondLocally(440)
      return
    }
    const started = group.map((target) => this.#branchTo(target, fork, this.owner.nameBranch?.(target)))
    fork.branches = appended(fork.branches, started)
    this.branches = appended(this.branches, started)
    const isBounded = group.length > 1 || maxBreadth !== undefined
    const { ringForMs, noReplyForMs } = fork.policy
    if (ringForMs !== undefined) this.proxy.startForkTimer(fork, this, ringForMs)
    for (const branch of started) {
      if (noReplyForMs !== undefined) this.proxy.startBranchTimer(branch, 'no reply', noReplyForMs)
      this.#start(branch, isBounded ? breadth : undefined)
    }
    this.#noteSounds(fork)
  }

  /** A phone that is told to ring no more has to say that it does not before it is asked again: two INVITEs at once were a loop to it. */
  #start(branch: Branch, breadth: number | undefined): void {
    const start = () => this.proxy.start(branch, breadth)
    const leaving = this.branches.find((each) => isLeaving(each, branch.target))
    if (!leaving) return start()
    leaving.whenGone = () => {
      if (branch.isLive && this.isOpen) start()
    }
  }

  /** Time limits of a fork began when its branches were sent: they would begin anew. */
  #noteSounds({ policy }: Fork): void {
    if (policy.ringForMs === undefined && policy.noReplyForMs === undefined) this.owner.onRepeatable()
    else this.owner.onProgress()
  }

  #branchTo(target: Target, fork: Fork, name = this.proxy.ids.next('branch')): Branch {
    return new Branch(branchWithDigest(name, this.digest), this, fork, target)
  }

  /** A provisional response from a branch, not 100. */
  provisional(branch: Branch, response: SipMessage): void {
    const isNews = branch.status !== response.status || branch.state === 'calling'
    branch.status = response.status
    if (branch.state === 'calling') branch.state = 'ringing'
    branch.rang()
    if (branch.abandoned || this.finalStatus !== 0) return
    const text = spliceResponse(response)
    if (text !== undefined) this.server.respond(text, response.status)
    if (isNews) this.#noteSounds(branch.fork)
    this.owner.onRinging(branch, response)
  }

  /** A 2xx from a branch: goes on at once, whatever else was decided, as long as the caller can still take it. */
  answered(branch: Branch, response: SipMessage): void {
    const first = branch.state !== 'answered'
    if (first) branch.ended()
    branch.state = 'answered'
    branch.status = response.status
    branch.final = response
    branch.fork.answered = true
    const text = spliceResponse(response)
    if (text === undefined || this.finalStatus >= 300) {
      branch.media?.failed()
      this.owner.onOrphan(branch, response)
      return
    }
    if (!this.#back) this.server.respond(text, response.status)
    else if (this.isInvite) this.proxy.passOn(text, this.#back)
    const wasOpen = this.finalStatus === 0
    this.finalStatus = response.status
    if (wasOpen) {
      this.#stopTrying()
      this.cancelBranches(COMPLETED_ELSEWHERE)
    }
    this.owner.onAnswered(branch, response)
    if (first && wasOpen) {
      this.owner.onForkEnded(branch.fork, true, response.status)
      this.owner.onFinal(response.status, response)
    }
  }

  /** A branch has failed: by a final response, or `response` undefined and a status of our own (408, 430, 503). */
  failed(branch: Branch, status: number, response: SipMessage | undefined): void {
    if (branch.state === 'answered') return
    branch.media?.failed()
    if (branch.state === 'failed' || branch.state === 'cancelled') return
    this.proxy.stopBranchTimers(branch)
    branch.ended()
    branch.state = branch.state === 'cancelling' ? 'cancelled' : 'failed'
    branch.status = status
    branch.final = response
    branch.gone()
    if (branch.abandoned || this.finalStatus !== 0) return
    // Who has not been reached has not rung, and is not reached again.
    if (response) this.owner.onProgress()
    else this.owner.onRepeatable()
    // RFC 3263 4.3: silence, a transport that fails and 503 say nothing of the target, only of this one of its servers
    const isServersFault = response === undefined || status === 503
    if (isServersFault && branch.state === 'failed' && (this.#tryAlternative(branch) || this.#tryDetour(branch))) return
    const fork = branch.fork
    if (branch.state === 'failed') {
      const end = fork.ends(status)
      if (end === 'transaction') this.#closeBy(branch)
      else if (end === 'fork' || !fork.triesOnAfter(status)) fork.abandon()
      if (end === 'fork') this.cancelBranches(`SIP;cause=${status}`, (each) => each.fork === fork)
      this.owner.onBranchFailed(branch)
    }
    this.#progress(fork)
  }

  /** A response whose media cannot be relayed: nothing can come of its branch. Who has answered gets his ACK, and is told at once. */
  unfit(branch: Branch, response: SipMessage): void {
    if (response.status >= 200) this.owner.onOrphan(branch, response)
    else branch.transaction?.cancel('SIP;cause=503')
    this.failedUnfit(branch, 503)
  }

  /** Another address of the same target would not help. */
  failedUnfit(branch: Branch, status: number): void {
    branch.alternatives = []
    branch.isUnfit = true
    this.failed(branch, status, undefined)
  }

  /** The next address of the same target (RFC 3263 4.3), on a branch of its own. */
  #tryAlternative(branch: Branch): boolean {
    const next: Destination | undefined = branch.alternatives[0]
    if (!next || !this.isOpen) return false
    this.proxy.send(this.#replace(branch, branch.target), branch.alternatives)
    this.owner.onProgress()
    return true
  }

  /** The same without the gateway that cannot be reached: it passes requests of a dialog on, which others can do as well. */
  #tryDetour(branch: Branch): boolean {
    if (branch.status !== 430 || branch.final || !this.isOpen) return false
    const target = this.owner.detour?.(branch)
    if (!target) return false
    this.proxy.start(this.#replace(branch, target), undefined)
    this.owner.onProgress()
    return true
  }

  #replace(branch: Branch, target: Target): Branch {
    const again = this.#branchTo(target, branch.fork)
    this.branches = replaced(this.branches, branch, again)
    branch.fork.branches = replaced(branch.fork.branches, branch, again)
    return again
  }

  /** One fork may have come to its next group or its end. */
  #progress(fork: Fork): void {
    if (!fork.isLive) this.#tryNextGroup(fork)
    this.settle()
  }

  /** Forks whose branches were taken from them go on with their next group. */
  #goOn(): void {
    for (const fork of this.forks) if (!fork.isLive && !fork.isOver) this.#tryNextGroup(fork)
  }

  #endFork(fork: Fork): void {
    this.proxy.stopForkTimer(fork)
    if (fork.answered || this.finalStatus !== 0) return
    const failures = fork.branches.map((branch) => branch.status)
    const best = bestResponse(failures)
    this.owner.onForkEnded(fork, false, best < 0 ? 480 : failures[best]!)
  }

  /** RFC 3261 16.7 step 5: one failure decides; the others are cancelled and nothing is added. */
  #closeBy(branch: Branch): void {
    this.#closedBy ??= branch
    for (const fork of this.forks) fork.abandon()
    this.cancelBranches(`SIP;cause=${branch.status}`)
  }

  /** The group's time is over: what has not answered is given up as 408, and the next group is tried. */
  ringingTimedOut(fork: Fork): void {
    for (const branch of fork.branches) if (branch.isLive) this.#giveUp(branch, 'SIP;cause=408;text="No answer"')
    this.owner.onProgress()
    this.#progress(fork)
  }

  /** No response at all, or Timer C: as 408 (RFC 3261 16.8). */
  branchTimedOut(branch: Branch): void {
    this.#giveUp(branch, 'SIP;cause=408;text="No answer"')
    this.owner.onProgress()
    this.owner.onBranchFailed(branch)
    this.#progress(branch.fork)
  }

  /** Cancels a branch and does not wait for what it says. Its 2xx would still count. */
  #giveUp(branch: Branch, reason: string): void {
    this.proxy.stopBranchTimers(branch)
    branch.abandoned = true
    branch.ended()
    branch.status = 408
    if (this.isInvite) branch.transaction?.cancel(reason)
    branch.state = 'cancelled'
    branch.gone()
  }

  /**
   * Cancels the live branches that `which` picks (default: all). One that has not even said 100 counts as ended at once: its CANCEL
   * is held until it does (RFC 3261 9.1).
   */
  cancelBranches(reason: string | undefined, which: (branch: Branch) => boolean = () => true): void {
    for (const branch of this.branches) {
      if (!branch.isLive || branch.state === 'cancelling' || !which(branch)) continue
      this.proxy.stopBranchTimers(branch)
      const waits = this.isInvite && branch.transaction !== undefined && branch.transaction.state === 'proceeding'
      if (this.isInvite) branch.transaction?.cancel(reason)
      branch.state = waits ? 'cancelling' : 'cancelled'
      if (!waits) {
        branch.abandoned = true
        branch.ended()
        if (branch.status === 0) branch.status = 487
      }
      this.owner.onProgress()
    }
  }

  /** Cancels branches on the owner's word; what is left decides on its own how the transaction goes on. */
  cancelOnRequest(reason: string | undefined, which: (branch: Branch) => boolean): void {
    this.cancelBranches(reason, which)
    this.#goOn()
    this.settle()
  }

  /** The caller's CANCEL (RFC 3261 16.10): no more targets, every branch is cancelled, and 487 when they have ended. */
  cancelledByCaller(reason: string | undefined): void {
    if (this.finalStatus !== 0) return
    if (this.takingUp) return void this.takingUp.then(() => this.cancelledByCaller(reason))
    this.cancelled = true
    for (const fork of this.forks) fork.abandon()
    this.cancelBranches(reason)
    this.owner.onCancelled()
    this.settle()
  }

  /** Sends a response of our own; a final one ends the transaction and cancels what still rings. */
  respondLocally(
    status: number,
    reason = reasonPhrase(status),
    { cancelReason, ...options }: LocalResponse = {},
  ): void {
    if (this.finalStatus !== 0) return
    this.#tag ||= this.proxy.ids.next('tag')
    this.server.respond(
      buildResponse(this.request, status, reason, { ...options, toTag: this.#tag, received: this.received }),
      status,
    )
    if (status >= 200) this.#finished(status, undefined, cancelReason)
  }

  /** Sends the final response when nothing is left that could change it. */
  settle(): void {
    if (this.finalStatus !== 0 || this.hasLiveBranch) return
    const decided = this.cancelled || this.#closedBy !== undefined
    if (!decided && (this.#holds > 0 || this.forks.some((fork) => !fork.isOver))) return
    if (this.cancelled) this.respondLocally(487)
    else this.#sendBest()
  }

  #sendBest(): void {
    const failed = this.branches.filter((branch) => branch.status >= 300)
    const best = this.#best(failed)
    if (!best) return this.respondLocally(480)
    // RFC 4320 4.2: a late 408 to a non-INVITE only makes trouble; its sender has timed out as we have.
    if (best.status === 408 && !this.isInvite) return this.#finished(408, undefined)
    if (best.status === 503 && best.isUnfit) return this.respondLocally(503, undefined, { headers: RETRY_LATER })
    // RFC 3261 16.7 step 6: a 503 of one next hop says nothing about the others this proxy could use.
    if (best.status === 503) return this.respondLocally(500)
    // RFC 5626 11.5: what has become of a flow is between gateways; to the caller the phone cannot be reached.
    if (best.status === 430) return this.respondLocally(480)
    // 487 answers our CANCEL, and the caller has sent none: the owner did not want the branch.
    if (best.status === 487 && best.state === 'cancelled') return this.respondLocally(480)
    const text = best.final && spliceResponse(best.final)
    if (text === undefined) return this.respondLocally(best.status)
    this.server.respond(this.#withChallenges(text, best, failed), best.status)
    this.#finished(best.status, best.final)
  }

  /** The branch whose failure goes up; undefined: 480 of our own. */
  #best(failed: readonly Branch[]): Branch | undefined {
    const closing = this.#closedBy
    if (closing && closing.status < 600) return closing
    const statuses = failed.map((branch) => branch.status)
    if (this.#nobodyCame) statuses.push(480)
    return failed[bestResponse(statuses)]
  }

  /** RFC 3261 16.7 step 7: the challenges of all branches go into the one 401 or 407. */
  #withChallenges(text: string, best: Branch, failed: readonly Branch[]): string {
    if (best.status !== 401 && best.status !== 407) return text
    let lines = ''
    for (const branch of failed) {
      if (branch === best || !branch.final || (branch.status !== 401 && branch.status !== 407)) continue
      for (const name of ['WWW-Authenticate', 'Proxy-Authenticate']) {
        for (const value of branch.final.lines(name)) lines += `${name}: ${value}\r\n`
      }
    }
    if (lines === '') return text
    const end = text.indexOf('\r\n\r\n') + 2
    return text.slice(0, end) + lines + text.slice(end)
  }

  #finished(status: number, from: SipMessage | undefined, cancelReason?: string): void {
    this.finalStatus = status
    this.#stopTrying()
    this.cancelBranches(cancelReason)
    this.owner.onFinal(status, from)
  }

  #stopTrying(): void {
    for (const fork of this.forks) {
      fork.abandon()
      this.proxy.stopForkTimer(fork)
    }
  }

  /**
   * Nobody asks about this request any more, but its transactions may live on for half a minute to absorb repeats: lets go of all that is
   * large. For requests that were answered with a 2xx; late repeats of it still pass.
   */
  retire(): void {
    this.owner = RETIRED
    const back = this.server.forget()
    for (const branch of this.branches) {
      if (back) branch.transaction?.forget(back)
      branch.final = undefined
      // Of a branch that has lost, the end is still to come.
      if (branch.state === 'answered') branch.media = undefined
      branch.transaction = undefined
      branch.target = NO_TARGET
    }
    this.branches = NONE
    this.forks = NONE
    this.routes = NO_ROUTES
    this.#back = back
  }

  /** Somebody else goes on with the request: ends here without a word to anybody, and whatever is asked of it comes to nothing. */
  abandon(): void {
    this.ended()
    this.owner = RETIRED
    this.finalStatus ||= 503
    for (const branch of this.branches) {
      // Whoever goes on with it goes on with its media.
      branch.media = undefined
      branch.transaction?.abandon()
    }
    this.server.abandon()
  }

  /** The server transaction is over: stops every timer that belongs to it. */
  ended(): void {
    for (const fork of this.forks) this.proxy.stopForkTimer(fork)
    for (const branch of this.branches) this.proxy.stopBranchTimers(branch)
  }
}

/** Whether the device has registered between `before` and `now`. */
function isRegisteredAnew(before: Target, now: Target): boolean {
  const from = before.binding
  const to = now.binding
  return to !== undefined && (to.registeredAt !== from?.registeredAt || to.cseq !== from.cseq)
}

/** Max-Breadth of each branch of a group (RFC 5393 5.3), which a caller may lower and not raise; 0: too many branches, 440. */
function breadthOf(maxBreadth: string | undefined, size: number): number {
  const allowed = maxBreadth === undefined ? -1 : readNumber(maxBreadth, 0, maxBreadth.length, DEFAULT_MAX_BREADTH)
  return Math.floor((allowed < 0 ? DEFAULT_MAX_BREADTH : allowed) / size)
}

/** An array of its exact size: there are many, mostly of one element, and they live for half a minute. */
function appended<Item>(items: readonly Item[], more: readonly Item[]): readonly Item[] {
  return items.length === 0 ? more : [...items, ...more]
}

function replaced(branches: readonly Branch[], old: Branch, by: Branch): readonly Branch[] {
  return branches.map((branch) => (branch === old ? by : branch))
}

/** Whether the device has come to another gateway: what was sent by way of the first one may never arrive. */
function isOtherGateways(before: Target, now: Target): boolean {
  const to = now.binding?.received
  return to?.nat === true && to.gateway !== before.binding?.received.gateway
}

/** It rings where `target` is, and was told to ring no more. */
function isLeaving(branch: Branch, target: Target): boolean {
  return branch.state === 'cancelling' && branch.target.device === target.device && samePlace(branch.target, target)
}

/** Whether two targets of one device would be reached at the same place. */
function samePlace(a: Target, b: Target): boolean {
  if (a.uri !== b.uri) return false
  const from = a.binding?.received
  const to = b.binding?.received
  if (!from || !to) return true
  return (
    from.transport === to.transport &&
    from.address === to.address &&
    from.port === to.port &&
    from.connection === to.connection
  )
}
