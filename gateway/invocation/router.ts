import { invocationPath, userText } from '../../functions/contract/path.ts'
import type { HandOver } from '../cluster/hand-over.ts'
import type { DialogRelay } from '../dialog/relay.ts'
import type { ProxyContext } from '../proxy/context.ts'
import { isLoop, loopDigest } from '../proxy/loop.ts'
import { readRoutes } from '../proxy/route.ts'
import { buildResponse, reasonPhrase, receivedOf } from '../sip/build.ts'
import { checkProxy, checkRequest, type Fault } from '../sip/check.ts'
import type { SipMessage } from '../sip/message.ts'
import { canonicalAor, parseUri, type SipUri } from '../sip/uri.ts'
import type { ServerTransaction, ServerUser } from '../transaction/types.ts'
import type { Flow } from '../transport/types.ts'
import type { CallFacts } from './call.ts'
import type { Calls } from './calls.ts'
import type { CallParts } from './parts.ts'
import { utf8 } from './request-data.ts'
import { CAPABILITIES, isRouter } from './without-function.ts'

/** Never begin anything: without a dialog they get 481 (RFC 3261 15.1.2, RFC 3262 3, RFC 3311 5.2). */
const ONLY_IN_DIALOGS = new Set(['BYE', 'PRACK', 'UPDATE'])

/**
 * What every new request goes through: the checks of RFC 3261 16.3, its routes (16.4), and then to where it belongs: along its dialog,
 * to the registrar, to a function, or to the contacts of a user of ours.
 */
export class RequestRouter implements ServerUser {
  readonly #parts: CallParts
  readonly #calls: Calls
  readonly #relay: DialogRelay
  readonly #handOver: HandOver | undefined
  /** New requests are for others: given to them, or refused where these do not know this process (any more). */
  drains: 'nothing' | 'to others' | 'by refusal' = 'nothing'

  /** @param handOver of several gateways */
  constructor(parts: CallParts, calls: Calls, relay: DialogRelay, handOver?: HandOver) {
    this.#parts = parts
    this.#calls = calls
    this.#relay = relay
    this.#handOver = handOver
  }

  /** A bug of ours costs this one request, which is answered all the same: nothing else would end its transaction. */
  onRequest(request: SipMessage, server: ServerTransaction): void {
    try {
      this.#dispatch(request, server)
    } catch (error) {
      this.#parts.onBug(error)
      if (!server.isFinal) this.#refuse(server, { status: 500, reason: reasonPhrase(500) })
    }
  }

  #dispatch(request: SipMessage, server: ServerTransaction): void {
    const fault = checkRequest(request) ?? checkProxy(request)
    if (fault) return this.#refuse(server, fault)
    if (request.toTag !== '' || ONLY_IN_DIALOGS.has(request.method)) this.#relay.onRequest(request, server)
    else this.#route(request, server)
  }

  onAck(ack: SipMessage, flow: Flow): void {
    if (checkRequest(ack) !== undefined) return
    if (!this.#relay.onAck(ack, flow)) this.#handOver?.toAll(ack, flow)
  }

  onStrayCancel(cancel: SipMessage, flow: Flow): boolean {
    return this.#handOver?.toAll(cancel, flow) ?? false
  }

  onCancel(cancel: SipMessage, invite: ServerTransaction): void {
    const context = invite.context as ProxyContext | undefined
    context?.cancelledByCaller(cancel.header('Reason'))
  }

  onServerEnd(server: ServerTransaction): void {
    const context = server.context as ProxyContext | undefined
    context?.ended()
  }

  #route(request: SipMessage, server: ServerTransaction): void {
    const { identity, manifest } = this.#parts
    const { method } = request
    const routes = readRoutes(request, identity)
    const uri = parseUri(routes.uri)
    if (!uri) return this.#refuse(server, { status: 400, reason: 'Bad Request-URI' })
    const received = receivedOf(request, server.flow.remoteAddress, server.flow.remotePort)
    const digest = loopDigest(request, routes.uri)
    if (isLoop(request, identity, digest)) return this.#refuse(server, { status: 482, reason: reasonPhrase(482) })
    if (routes.edge !== undefined) return this.#routeAlongFlow(request, server)
    if (this.drains !== 'nothing') return this.#sendElsewhere(request, server)
    const facts: CallFacts = { routes, digest, received, ...this.#subject(request, uri) }
    if (manifest.routes(method)) this.#calls.begin(server, facts).start()
    else if (method === 'REGISTER') void this.#register(request, server)
    else if (method === 'OPTIONS' && isRouter(uri, identity))
      this.#refuse(server, { status: 200, reason: reasonPhrase(200), headers: CAPABILITIES })
    else void this.#calls.begin(server, facts).startWithoutFunction()
  }

  /** Another gateway answers it as if it had got it; or its sender tries again, and finds one that stays. */
  #sendElsewhere(request: SipMessage, server: ServerTransaction): void {
    if (this.drains === 'to others' && this.#handOver?.toOne(request, server.flow)) server.abandon()
    else this.#refuse(server, { status: 503, reason: reasonPhrase(503), headers: [['Retry-After', '5']] })
  }

  /** What another gateway sends along a flow of ours is routed already; nobody else begins anything there. */
  #routeAlongFlow(request: SipMessage, server: ServerTransaction): void {
    if (this.#parts.peers.isHost(server.flow.remoteAddress)) this.#relay.onRequest(request, server)
    else this.#refuse(server, { status: 403, reason: reasonPhrase(403) })
  }

  /** Whose location the request asks for and under which path a function finds it: a REGISTER's To, everybody else's Request-URI. */
  #subject(request: SipMessage, uri: SipUri): Pick<CallFacts, 'aor' | 'path' | 'isLocal'> {
    const subject = request.method === 'REGISTER' ? (parseUri(request.to?.uri ?? '') ?? uri) : uri
    return {
      aor: canonicalAor(subject),
      path: invocationPath(request.method, subject.host, textOf(subject.user)),
      isLocal: this.#parts.identity.isLocalDomain(subject.host, subject.port),
    }
  }

  async #register(request: SipMessage, server: ServerTransaction): Promise<void> {
    const received = receivedOf(request, server.flow.remoteAddress, server.flow.remotePort)
    const toTag = this.#parts.ids.next('tag')
    try {
      const { status, reason, headers, events } = await this.#parts.registrar.register(request, server.flow)
      server.respond(buildResponse(request, status, reason, { toTag, received, headers }), status)
      server.forget()
      this.#parts.log.info('register', { callId: request.callId, aor: request.to?.uri ?? '', status })
      this.#parts.publish(events, request.callId)
    } catch (error) {
      this.#parts.count('store failures')
      this.#parts.log.error('REGISTER failed', { callId: request.callId, error: String(error) })
      server.respond(
        buildResponse(request, 503, reasonPhrase(503), { toTag, received, headers: [['Retry-After', '10']] }),
        503,
      )
    }
  }

  #refuse(server: ServerTransaction, { status, reason, headers }: Fault): void {
    const { request, flow } = server
    const received = receivedOf(request, flow.remoteAddress, flow.remotePort)
    server.respond(
      buildResponse(request, status, reason, {
        toTag: this.#parts.ids.next('tag'),
        received,
        ...(headers ? { headers } : {}),
      }),
      status,
    )
  }
}

/** Octets beyond ASCII are text in UTF-8, or else stay what they are. */
function textOf(user: string): string {
  return userText(/[\x80-\xff]/.test(user) ? (utf8(user) ?? user) : user)
}
