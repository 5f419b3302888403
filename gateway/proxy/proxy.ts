import type { HeaderEdits } from '../../functions/contract/actions.ts'
import type { Clock, IdSource } from '../../functions/contract/clock.ts'
import { GATEWAY_PARAM, type Peers } from '../cluster/peers.ts'
import type { Media, MediaLeg } from '../media/types.ts'
import type { SipMessage } from '../sip/message.ts'
import { type RequestEdits, spliceRequest } from '../sip/splice.ts'
import { parseUri, type SipUri } from '../sip/uri.ts'
import type { TimerHandle, TimerQueue } from '../transaction/timer-queue.ts'
import type { ClientTransaction, ClientUser, TransactionLayer } from '../transaction/types.ts'
import { isEncrypted } from '../transport/addresses.ts'
import type { DeadTargets } from '../transport/dead-targets.ts'
import type { Destination, Listener, TransportLayer } from '../transport/types.ts'
import type { Branch } from './branch.ts'
import type { ProxyContext } from './context.ts'
import type { Fork } from './fork.ts'
import { recordRouteOf, secureRecordRouteOf, withMedia } from './identity.ts'
import { branchWithDigest } from './loop.ts'
import { type NextHop, nextHopOf } from './next-hop.ts'
import type { RouteDecision } from './route.ts'
import type { SessionTimer } from './session-timer.ts'
import { GRACE_MS, type SentState } from './state.ts'
import type { Target } from './target.ts'

/** RFC 3263: the addresses of a URI in the order to be tried, at once where no look-up is needed. */
export interface Locator {
  locateNow(uri: SipUri): Destination[] | undefined
  /** Never rejects; `[]` when nothing was found. */
  locate(uri: SipUri): Promise<Destination[]>
}

export interface ProxyOptions {
  /** Timer C, more than three minutes (RFC 3261 16.6 step 11). Milliseconds, default 185,000. */
  timerCMs: number
  /** Absent: no session is asked to be refreshed. */
  sessionTimer?: SessionTimer | undefined
}

/** What the acting part needs from the gateway. */
export interface ProxyParts {
  transactions: TransactionLayer
  transport: TransportLayer
  peers: Peers
  timers: TimerQueue
  ids: IdSource
  clock: Clock
  locator: Locator
  /** Remembers the servers that failed, so that the next request tries them last. */
  dead: DeadTargets
  /** Absent: all media goes directly. */
  media?: Media | undefined
  options: ProxyOptions
}

/** The header values a listener puts into requests it sends on. */
interface ListenerTexts {
  viaPrefix: string
  recordRoute: string
  /** In a call to a `sips` URI. */
  secureRecordRoute: string
}

/** Requests that may offer, or answer to, a session (RFC 3264, RFC 3311, RFC 3262), besides the ACK. */
const SESSION_CHANGING = new Set(['INVITE', 'UPDATE', 'PRACK'])
const DIALOG_FORMING = new Set(['INVITE', 'SUBSCRIBE', 'REFER'])
/** RFC 3261 16.6 step 3: what a request without Max-Forwards gets. */
const DEFAULT_MAX_FORWARDS = 70

/** A request on its way through: what its forwarded form is made of. */
export interface Forwarded {
  readonly request: SipMessage
  readonly routes: RouteDecision
  /** See receivedOf. */
  readonly received: { address: string; port: number } | null
  /** See loopDigest. */
  readonly digest: string
}

/** Sends branches on their way and takes their responses: the one part of the proxy that acts. */
export class ProxyCore implements ClientUser {
  readonly ids: IdSource
  readonly #parts: ProxyParts
  readonly #texts = new Map<Listener, ListenerTexts>()

  constructor(parts: ProxyParts) {
    this.#parts = parts
    this.ids = parts.ids
    for (const listener of parts.transport.listeners) this.#texts.set(listener, listenerTexts(listener))
  }

  /** Milliseconds since the epoch. */
  now(): number {
    return this.#parts.clock.now()
  }

  /** Locates the branch's next hop and sends its request there. A branch that cannot be sent fails later, never within this call. */
  start(branch: Branch, maxBreadth: number | undefined): void {
    const hop = this.#nextHop(branch.context, branch.target)
    if (hop.to) return this.#send(branch, hop, [hop.to], maxBreadth)
    const uri = parseUri(hop.locateUri)
    if (!uri) return this.#failSoon(branch, 416)
    const now = this.#parts.locator.locateNow(uri)
    if (now) return this.#send(branch, hop, now, maxBreadth)
    void this.#parts.locator.locate(uri).then((found) => {
      if (branch.isLive && branch.state === 'calling') this.#send(branch, hop, found, maxBreadth)
    })
  }

  /**
   * Goes on with a branch that was sent before a restart: what has not rung yet is sent again, what rings is waited for, and a CANCEL goes
   * out once more.
   */
  takeUp(branch: Branch, { text, state, cancelReason }: SentState, destination: Destination): void {
    const { method } = branch.context.server
    const { transactions, options } = this.#parts
    const isProceeding = state === 'proceeding' || state === 'cancelling'
    const leftMs = branch.startedAt + transactions.patienceMs - this.now()
    if (leftMs <= 0 && !(isProceeding && method === 'INVITE')) return this.#failSoon(branch, 408)
    const outgoing = { text, method, branch: branch.id, destination, context: branch }
    branch.isToPeer = this.#isPeer(destination)
    branch.transaction = transactions.takeUpClient(outgoing, this, { isProceeding, leftMs })
    if (state === 'cancelling' || state === 'holding cancel') branch.transaction.cancel(cancelReason)
    if (!branch.isLive || branch.state === 'cancelling') return
    if (method === 'INVITE') this.startBranchTimer(branch, 'C', options.timerCMs)
    const { noReplyForMs } = branch.fork.policy
    if (noReplyForMs !== undefined && branch.status === 0)
      this.startBranchTimer(branch, 'no reply', Math.max(GRACE_MS, branch.startedAt + noReplyForMs - this.now()))
  }

  /** Sends a branch to the first of `destinations`; the others are tried in turn should it fail. */
  send(branch: Branch, destinations: Destination[]): void {
    this.#send(branch, this.#nextHop(branch.context, branch.target), destinations, undefined)
  }

  #send(branch: Branch, hop: NextHop, located: Destination[], maxBreadth: number | undefined): void {
    branch.media ??= this.#mediaOf(branch)
    if (branch.media && !branch.fit)
      return void this.#openMedia(branch, branch.media, () => this.#send(branch, hop, located, maxBreadth))
    const { context } = branch
    const secure = isSecure(context.request.uri) ? located.filter(({ transport }) => isEncrypted(transport)) : located
    // What was to be encrypted all the way rings nobody in the clear (RFC 3261 26.2.2, RFC 5630 5.3).
    if (secure.length < located.length && secure.length === 0) return this.#failSoon(branch, 480)
    const destinations = this.#parts.dead.order(secure)
    const destination = destinations[0]
    const listener = destination && this.#parts.transport.listenerFor(destination)
    if (!destination || !listener) return this.#failSoon(branch, unreachable(branch))
    branch.alternatives = destinations.slice(1)
    const { method } = context.server
    const edits = this.#edits(context, hop, listener, branch.id)
    if (context.recordRoutes) edits.recordRoute = this.#recordRoute(branch, listener)
    const own = headerEdits(branch.fork, maxBreadth)
    const { sessionTimer } = this.#parts.options
    const headers = sessionTimer ? sessionTimer.ask(context.request, own) : own
    if (headers) edits.headers = headers
    const text = spliceRequest(branch.fit ?? context.request, edits)
    branch.fit = undefined
    branch.isToPeer = this.#isPeer(destination)
    branch.transaction = this.#parts.transactions.request(
      { text, method, branch: branch.id, destination, context: branch },
      this,
    )
    if (method === 'INVITE') this.startBranchTimer(branch, 'C', this.#parts.options.timerCMs)
  }

  #isPeer({ remoteAddress, remotePort }: Destination): boolean {
    return this.#parts.peers.isPlace(remoteAddress, remotePort)
  }

  /** Undefined: its media goes directly, or it has none. */
  #mediaOf({ id, context, fork }: Branch): MediaLeg | undefined {
    const { media } = this.#parts
    if (!media || !SESSION_CHANGING.has(context.server.method)) return undefined
    if (context.media) return media.dialogLeg(context.media)
    return fork.policy.media && context.isInvite ? media.leg(id, context.request, fork.policy.media) : undefined
  }

  /** The branch is calling meanwhile, so that nothing is decided without it; it may be given up as one that makes no sound. */
  async #openMedia(branch: Branch, media: MediaLeg, goOn: () => void): Promise<void> {
    const { context } = branch
    const opened = await media.open(context.request)
    if (branch.state !== 'calling' || branch.abandoned || context.finalStatus !== 0) return branch.media?.failed()
    if (typeof opened === 'number') return context.failedUnfit(branch, opened)
    branch.fit = opened
    goOn()
    context.owner.onRepeatable()
  }

  /** The media of a branch that another process has sent; undefined when there is none. */
  takeUpMedia(param: string, request: SipMessage, { policy }: Fork): MediaLeg | undefined {
    return this.#parts.media?.takeUp(param, request, policy.media ?? {})
  }

  get relaysMedia(): boolean {
    return this.#parts.media !== undefined
  }

  /**
   * Sends a request on without a transaction: the ACK of a 2xx (RFC 3261 16.11). What cannot be sent is lost, as an ACK may be.
   * @param peerFailed is told of another gateway that cannot be reached
   */
  forwardStateless(source: Forwarded, target: Target, peerFailed?: (peer: Destination) => void): void {
    const hop = this.#nextHop(source, target)
    const uri = hop.to ? undefined : parseUri(hop.locateUri)
    const now = hop.to ? [hop.to] : uri && this.#parts.locator.locateNow(uri)
    if (now) this.#sendStateless(source, hop, now[0], peerFailed)
    else if (uri)
      void this.#parts.locator.locate(uri).then((found) => this.#sendStateless(source, hop, found[0], peerFailed))
  }

  #sendStateless(
    source: Forwarded,
    hop: NextHop,
    destination: Destination | undefined,
    peerFailed: ((peer: Destination) => void) | undefined,
  ): void {
    const listener = destination && this.#parts.transport.listenerFor(destination)
    if (!destination || !listener) return
    const branch = branchWithDigest(this.ids.next('branch'), source.digest)
    const failed = peerFailed && this.#isPeer(destination) ? () => peerFailed(destination) : undefined
    const text = spliceRequest(source.request, this.#edits(source, hop, listener, branch))
    this.#parts.transport.send(text, destination, failed)
  }

  /**
   * Sends a request on once more, on a transaction of its own that belongs to no response context.
   * @returns undefined when the target cannot be reached
   */
  async sendAside(
    source: Forwarded,
    target: Target,
    headers: HeaderEdits,
    user: ClientUser,
  ): Promise<ClientTransaction | undefined> {
    const { transport, transactions, locator } = this.#parts
    const hop = this.#nextHop(source, target)
    const destination = hop.to ?? (await firstDestination(hop.locateUri, locator))
    const listener = destination && transport.listenerFor(destination)
    if (!destination || !listener) return undefined
    const branch = branchWithDigest(this.ids.next('branch'), source.digest)
    const text = spliceRequest(source.request, { ...this.#edits(source, hop, listener, branch), headers })
    const { method } = source.request
    return transactions.request({ text, method, branch, destination, context: undefined }, user)
  }

  #nextHop(source: Forwarded, target: Target): NextHop {
    return nextHopOf(target, source.routes, target.uri === source.routes.uri, this.#parts)
  }

  #edits(source: Forwarded, hop: NextHop, listener: Listener, branch: string): RequestEdits {
    const edits: RequestEdits = {
      uri: hop.uri,
      via: this.#texts.get(listener)!.viaPrefix + branch,
      received: source.received,
      maxForwards: (source.request.maxForwards ?? DEFAULT_MAX_FORWARDS + 1) - 1,
    }
    if (hop.dropRoutes > 0) edits.dropRoutes = hop.dropRoutes
    if (source.routes.dropLast) edits.dropLastRoute = true
    if (hop.addRoutes) edits.addRoutes = hop.addRoutes
    if (hop.appendRoute !== undefined) edits.appendRoute = hop.appendRoute
    return edits
  }

  /**
   * Ours on top; two when the request leaves by another listener than it came in by (RFC 5658), or by a flow that the sender has named: its
   * later requests have to name it again. Relayed media is named, so that whoever gets later requests knows of it.
   */
  #recordRoute({ context: { server, routes, request }, media }: Branch, out: Listener): string[] {
    const inbound = server.flow.listener
    const name = isSecure(request.uri) ? 'secureRecordRoute' : 'recordRoute'
    const own = withMedia(this.#texts.get(out)![name], media?.session?.param)
    if (routes.edge !== undefined) return [own, routes.edge]
    return inbound === out ? [own] : [own, this.#texts.get(inbound)![name]]
  }

  /** Repeats an unanswered request at once, for a far end that has just shown itself. */
  resend(transaction: ClientTransaction): void {
    if (transaction.state === 'calling' || transaction.state === 'trying')
      this.#parts.transport.send(transaction.requestText, transaction.destination)
  }

  /** Sends a response on outside of its transaction, which is over. */
  passOn(text: string, back: Destination): void {
    this.#parts.transport.send(text, back)
  }

  #failSoon(branch: Branch, status: number): void {
    queueMicrotask(() => branch.context.failed(branch, status, undefined))
  }

  onResponse(response: SipMessage, transaction: ClientTransaction): void {
    const branch = transaction.context as Branch
    if (!branch.media) return this.#onResponse(response, transaction)
    // Something has come of it, even if it is passed on a moment later.
    this.#stop(branch, 'noReply')
    branch.media.receive(response, (fit) => {
      if (fit) this.#onResponse(fit, transaction)
      else branch.context.unfit(branch, response)
    })
  }

  #onResponse(response: SipMessage, transaction: ClientTransaction): void {
    const branch = transaction.context as Branch
    const { status } = response
    if (status === 503) this.#parts.dead.add(transaction.destination)
    else this.#parts.dead.remove(transaction.destination)
    if (status >= 300) return branch.context.failed(branch, status, response)
    if (status >= 200) {
      this.stopBranchTimers(branch)
      const { context } = branch
      return context.answered(branch, this.#parts.options.sessionTimer?.answer(context.request, response) ?? response)
    }
    this.#stop(branch, 'noReply')
    if (status === 100) {
      if (branch.status === 0) branch.status = 100
      return
    }
    if (branch.timerC !== undefined) this.startBranchTimer(branch, 'C', this.#parts.options.timerCMs)
    branch.context.provisional(branch, response)
  }

  onTimeout(transaction: ClientTransaction): void {
    const branch = transaction.context as Branch
    if (branch.status === 0) this.#parts.dead.add(transaction.destination)
    branch.context.failed(branch, branch.state === 'cancelling' ? 487 : 408, undefined)
  }

  onTransportFailure(transaction: ClientTransaction): void {
    const branch = transaction.context as Branch
    this.#parts.dead.add(transaction.destination)
    branch.context.failed(branch, unreachable(branch), undefined)
  }

  startBranchTimer(branch: Branch, kind: 'C' | 'no reply', ms: number): void {
    const slot = kind === 'C' ? 'timerC' : 'noReply'
    this.#stop(branch, slot)
    branch[slot] = this.#parts.timers.start(ms, branch, kind)
  }

  stopBranchTimers(branch: Branch): void {
    this.#stop(branch, 'timerC')
    this.#stop(branch, 'noReply')
  }

  #stop(branch: Branch, slot: 'timerC' | 'noReply'): void {
    const handle = branch[slot]
    if (handle === undefined) return
    this.#parts.timers.stop(handle as TimerHandle)
    branch[slot] = undefined
  }

  startForkTimer(fork: Fork, context: ProxyContext, ms: number): void {
    this.stopForkTimer(fork)
    fork.timer = this.#parts.timers.start(ms, fork, 'ring for')
    fork.context = context
  }

  stopForkTimer(fork: Fork): void {
    if (fork.timer === undefined) return
    this.#parts.timers.stop(fork.timer as TimerHandle)
    fork.timer = undefined
  }

  /** Whether requests of this method form a dialog, so that we stay on its path (RFC 3261 16.6 step 4). */
  static formsDialog(method: string): boolean {
    return DIALOG_FORMING.has(method)
  }
}

/** The Via value of a request that leaves by a listener, up to its branch. */
export function viaPrefix({ transport, advertisedHost, advertisedPort, gateway }: Listener): string {
  const sentBy = `SIP/2.0/${transport.toUpperCase()} ${advertisedHost}:${advertisedPort}`
  // Responses come back to the very socket (RFC 3581), not to whichever gateway has the address.
  return gateway === undefined ? `${sentBy};branch=` : `${sentBy};rport;${GATEWAY_PARAM}=${gateway};branch=`
}

/** The first place to try for a URI; undefined when it cannot be read or located. */
export async function firstDestination(uriText: string, locator: Locator): Promise<Destination | undefined> {
  const uri = parseUri(uriText)
  return uri && (locator.locateNow(uri) ?? (await locator.locate(uri)))[0]
}

function listenerTexts(listener: Listener): ListenerTexts {
  const secureRecordRoute = secureRecordRouteOf(listener)
  return { viaPrefix: viaPrefix(listener), recordRoute: recordRouteOf(listener), secureRecordRoute }
}

/** RFC 3261 16.9; or, of what was to go by another gateway of ours, or by the flow of a REGISTER: that is gone (RFC 5626 5.3.1). */
function unreachable({ isToPeer, target: { binding } }: Branch): 430 | 503 {
  return isToPeer || binding?.received.nat ? 430 : 503
}

/** A `sips` URI. */
function isSecure(uri: string): boolean {
  return /^sips:/i.test(uri)
}

function headerEdits(fork: Fork, maxBreadth: number | undefined): RequestEdits['headers'] {
  const headers = fork.policy.headers
  if (maxBreadth === undefined) return headers
  return { ...headers, set: { ...headers?.set, 'Max-Breadth': String(maxBreadth) } }
}
