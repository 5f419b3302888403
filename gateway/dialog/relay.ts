import type { Binding, Store } from '../../functions/store/store.ts'
import type { FlowTokens } from '../cluster/flow-token.ts'
import type { Holders, Peers } from '../cluster/peers.ts'
import type { Media, MediaSession } from '../media/types.ts'
import type { Branch } from '../proxy/branch.ts'
import { ProxyContext } from '../proxy/context.ts'
import { type Identity, withMedia } from '../proxy/identity.ts'
import { isLoop, loopDigest } from '../proxy/loop.ts'
import { flowNamed } from '../proxy/next-hop.ts'
import { ProxyCore } from '../proxy/proxy.ts'
import { type RouteDecision, readRoutes, routeUri } from '../proxy/route.ts'
import { bindingTarget, type Target } from '../proxy/target.ts'
import { isNamed, type NamedDevice, type Purrs } from '../push/purr.ts'
import { deviceAmong, type Waker } from '../push/waker.ts'
import { buildResponse, reasonPhrase, receivedOf } from '../sip/build.ts'
import type { SipMessage } from '../sip/message.ts'
import { parseUri } from '../sip/uri.ts'
import type { ServerTransaction } from '../transaction/types.ts'
import type { Destination, Flow, TransportLayer } from '../transport/types.ts'
import { type Dialog, type Party, remoteTarget } from './dialog.ts'
import type { Goodbyes } from './goodbyes.ts'
import type { Reach } from './reach.ts'
import { RelayedRequest, Ways } from './relayed-request.ts'
import type { DialogTable, Found } from './table.ts'

export interface RelayParts {
  proxy: ProxyCore
  dialogs: DialogTable
  identity: Identity
  transport: TransportLayer
  peers: Peers
  elsewhere: Holders
  /** Of several gateways: reads the flows that they name to each other. */
  tokens?: FlowTokens | undefined
  newTag(): string
  reach: Reach
  /** Name of this gateway, as bindings have it. */
  gateway: string
  store: Store
  purrs: Purrs
  waker: Waker
  /** Absent: all media goes directly. */
  media?: Media | undefined
  /** Absent: no other process goes on with calls. */
  goodbyes: Goodbyes | undefined
  /** A 2xx to a re-INVITE whose sender has given up: its repeats are to end, the call goes on. */
  acknowledge(invite: SipMessage, answer: SipMessage): void
}

const HAS_PURR = /;pn-purr=/i

/**
 * Requests within a dialog: passed along their route set without asking anybody (RFC 3261 16.4, 16.6), watched for what ends or
 * changes the dialog.
 */
export class DialogRelay {
  readonly #parts: RelayParts

  constructor(parts: RelayParts) {
    this.#parts = parts
  }

  /** A request with a To tag, or along a flow that its routes name, checked by `checkProxy`. */
  onRequest(request: SipMessage, server: ServerTransaction): void {
    const { identity, proxy } = this.#parts
    const routes = readRoutes(request, identity)
    const found = this.#parts.dialogs.find(request)
    const received = receivedOf(request, server.flow.remoteAddress, server.flow.remotePort)
    const digest = loopDigest(request, routes.uri)
    const target = this.#target(request, routes, found)
    const status = isLoop(request, identity, digest) ? 482 : typeof target === 'number' ? target : 0
    if (status !== 0 || typeof target === 'number') {
      server.respond(
        buildResponse(request, status, reasonPhrase(status), { toTag: this.#parts.newTag(), received }),
        status,
      )
      return
    }
    if (request.method === 'INVITE') server.respond(buildResponse(request, 100, 'Trying', { received }), 100)
    const around = (branch: Branch, identity: Identity) => this.#goAround(branch, found, identity)
    const watch = new RelayedRequest(this.#parts, request, found, around)
    const recordRoutes = request.toTag === '' && ProxyCore.formsDialog(request.method)
    const context = new ProxyContext(proxy, server, watch, {
      ...{ routes, digest, received, recordRoutes },
      media: this.#mediaOf(request, routes, found, target),
    })
    server.context = context
    watch.seen(context)
    if (!this.#seek(context, target, routes, found)) context.fork([target], { mode: 'parallel' })
  }

  /** @returns whether the request goes out later, once it is known where its device is */
  #seek(context: ProxyContext, target: Target, routes: RouteDecision, found: Found | undefined): boolean {
    const named = this.#deviceNamedBy(target.uri, routes)
    const lost = named ? undefined : lostEnd(target, routes, found)
    if (named) void this.#forkAndWake(context, target, named)
    else if (lost) void this.#forkWhereItIs(context, target, lost)
    return named !== undefined || lost !== undefined
  }

  /**
   * The gateway that a branch was to go by cannot be reached: what is left of the routes says where it goes.
   * @param identity without that gateway
   * @returns undefined when it goes nowhere, or to a device that has to be found, or woken, first
   */
  #goAround(branch: Branch, found: Found | undefined, identity: Identity): Target | undefined {
    const { context } = branch
    const { request } = context
    const routes = readRoutes(request, identity)
    const target = this.#target(request, routes, found, identity)
    if (typeof target === 'number') return undefined
    context.routes = routes
    context.media = this.#mediaOf(request, routes, found, target)
    if (branch.target.binding) return branch.target
    return this.#seek(context, target, routes, found) ? undefined : target
  }

  /** The media relayed for the dialog: as known here, or, after a restart, as its routes say. */
  #mediaOf(
    { callId, toTag }: SipMessage,
    { media }: RouteDecision,
    found: Found | undefined,
    target: Target,
  ): MediaSession | undefined {
    if (found) return found.dialog.media
    if (target.route !== undefined) return undefined
    return media === undefined || toTag === '' ? undefined : this.#parts.media?.session(media, callId)
  }

  /** The Contact of a device that wants to be woken for requests of its dialogs has its PURR in it (RFC 8599 6). */
  #deviceNamedBy(uri: string, routes: RouteDecision): NamedDevice | undefined {
    if (routes.edge !== undefined || routes.peer !== undefined) return undefined
    const purr = HAS_PURR.test(uri) ? parseUri(uri)?.params.get('pn-purr') : undefined
    return purr === undefined ? undefined : this.#parts.purrs.read(purr)
  }

  /** Tries the device where it was, unless nobody can be there, and has it woken when it is silent. */
  async #forkAndWake(context: ProxyContext, target: Target, named: NamedDevice): Promise<void> {
    const { store, waker } = this.#parts
    context.hold()
    const binding = await deviceAmong(store, named.aor, (device) => isNamed(named, device)).catch(() => undefined)
    const first = binding ? this.#firstTarget(target, binding) : target
    if (first) context.fork([first], { mode: 'parallel' })
    if (binding)
      void waker.wake([binding], { context, isAway: !first, target: (made) => sameDialogTarget(target.uri, made) })
    context.release()
  }

  /** Tries the device where it has registered since its connection broke, and else where its Contact says. */
  async #forkWhereItIs(context: ProxyContext, target: Target, { dialog, party }: Lost): Promise<void> {
    context.hold()
    const now = await this.#parts.reach.find(dialog, party, target.uri)
    context.fork([now ?? target], { mode: 'parallel' })
    context.release()
  }

  /** @returns undefined when the device sleeps for certain */
  #firstTarget(target: Target, binding: Binding): Target | undefined {
    const { device, received, asleep } = binding
    if (asleep) return undefined
    if (target.flow || received.transport === 'udp') return { ...target, device }
    const flow = flowNamed(received, this.#parts.transport)
    const isOurs = received.gateway === this.#parts.gateway
    return isOurs && !(flow && this.#parts.transport.isAlive(flow)) ? undefined : sameDialogTarget(target.uri, binding)
  }

  /**
   * The ACK of a 2xx: goes on without a transaction, or nowhere when no route leads past us or it is a loop.
   * @returns whether it belongs here at all
   */
  onAck(ack: SipMessage, flow: Flow): boolean {
    return this.#passAck(ack, flow, new Ways(this.#parts.identity))
  }

  #passAck(ack: SipMessage, flow: Flow, ways: Ways): boolean {
    const routes = readRoutes(ack, ways.identity)
    const found = this.#parts.dialogs.find(ack)
    const target = this.#target(ack, routes, found, ways.identity)
    if (typeof target === 'number') return false
    const digest = loopDigest(ack, routes.uri)
    if ((ack.maxForwards ?? 70) <= 0 || isLoop(ack, this.#parts.identity, digest)) return true
    const received = receivedOf(ack, flow.remoteAddress, flow.remotePort)
    const session = this.#mediaOf(ack, routes, found, target)
    const fit = session && this.#parts.media?.acknowledge(session, ack)
    const goAround = (peer: Destination) => {
      if (ways.close(peer)) this.#passAck(ack, flow, ways)
    }
    const forward = (request: SipMessage, to: Target) =>
      this.#parts.proxy.forwardStateless({ request, routes, received, digest }, to, goAround)
    const lost = lostEnd(target, routes, found)
    if (lost) void this.#forwardWhereItIs(fit ?? ack, target, lost, forward)
    else if (fit) void fit.then((request) => forward(request, target))
    else forward(ack, target)
    return true
  }

  async #forwardWhereItIs(
    ack: SipMessage | Promise<SipMessage>,
    target: Target,
    { dialog, party }: Lost,
    forward: (request: SipMessage, to: Target) => void,
  ): Promise<void> {
    const now = await this.#parts.reach.find(dialog, party, target.uri)
    forward(await ack, now ?? target)
  }

  /**
   * Where a request of a dialog goes: the flow or the gateway that its routes name, the gateway that has its dialog, its Request-URI, or the
   * far end itself when the Request-URI only names us or a user of ours.
   * @returns the status to refuse it with when it goes nowhere
   */
  #target(
    { callId }: SipMessage,
    routes: RouteDecision,
    found: Found | undefined,
    identity = this.#parts.identity,
  ): Target | number {
    if (routes.edge !== undefined) return this.#edgeTarget(routes.uri, routes.edge)
    const holder = found || routes.peer !== undefined ? undefined : this.#parts.elsewhere.holderOf(callId)
    if (holder !== undefined && identity.isOthers(holder, 'route')) return this.#targetAt(holder, routes)
    if (!found && routes.drop === 0 && routes.peer === undefined) return 481
    if (!found || routes.next !== undefined) return plainTarget(routes.uri, undefined)
    const receiver = found.dialog.other(found.sender)
    const uri = this.#isOurs(routes.uri) ? remoteTarget(found.dialog, receiver) : routes.uri
    return plainTarget(uri, this.#parts.reach.flowTo(receiver))
  }

  /** That gateway goes on with what is left of the routes. */
  #targetAt(holder: string, { uri, media }: RouteDecision): Target | number {
    const route = this.#parts.peers.routeToGateway(holder)
    return route === undefined ? 480 : { ...plainTarget(uri, undefined), route: withMedia(route, media) }
  }

  /** RFC 5626 5.3.1: 403 for a flow that no gateway of ours has named, 430 for one that is gone. */
  #edgeTarget(uri: string, route: string): Target | number {
    const { transport, tokens } = this.#parts
    const named = tokens?.read(parseUri(routeUri(route))?.user ?? '')
    if (!named) return 403
    const flow = flowNamed(named, transport)
    return flow && transport.isAlive(flow) ? plainTarget(uri, flow) : 430
  }

  #isOurs(uriText: string): boolean {
    const uri = parseUri(uriText)
    const { identity } = this.#parts
    return uri !== undefined && (identity.isLocalDomain(uri.host, uri.port) || identity.isSelf(uri.host, uri.port))
  }
}

/** A registered device as a dialog knows it: by the address in its Contact while it is still there. */
function sameDialogTarget(uri: string, binding: Binding): Target {
  const [known, now] = [parseUri(uri), parseUri(binding.contact)]
  const isThere = known && now && known.host === now.host && known.port === now.port && known.user === now.user
  return { ...bindingTarget(binding), uri: isThere ? uri : binding.contact }
}

function plainTarget(uri: string, flow: Flow | undefined): Target {
  return { uri, q: 1, device: uri, binding: undefined, flow }
}

/** An end of a dialog whose flow is gone, or not known. */
interface Lost {
  dialog: Dialog
  party: Party
}

/** Whom a request is for, when no flow and no route leads there any more. */
function lostEnd(target: Target, routes: RouteDecision, found: Found | undefined): Lost | undefined {
  if (!found || target.flow || routes.next !== undefined || routes.edge !== undefined) return undefined
  const party = found.dialog.other(found.sender)
  return party.flow === undefined ? undefined : { dialog: found.dialog, party }
}
