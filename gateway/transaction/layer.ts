import type { IdSource } from '../../functions/contract/clock.ts'
import { buildResponse, reasonPhrase, receivedOf } from '../sip/build.ts'
import { readMessage, type SipMessage } from '../sip/message.ts'
import { ownText } from '../sip/own-text.ts'
import { spliceResponse } from '../sip/splice.ts'
import type { Via } from '../sip/via.ts'
import type { Destination, Flow, TransportLayer } from '../transport/types.ts'
import { type ClientHost, LiveClientTransaction } from './client-transaction.ts'
import { deaf } from './deaf.ts'
import { type Durations, reliableDurations, unreliableDurations } from './durations.ts'
import { clientKey, hasUniqueBranch, isOurs, methodKey, oldServerKey, serverKey } from './matching.ts'
import { Remnants } from './remnants.ts'
import { LiveServerTransaction, type ServerHost } from './server-transaction.ts'
import { SteadyMap } from './steady-map.ts'
import type { TimerQueue } from './timer-queue.ts'
import type {
  ClientTransaction,
  ClientUser,
  OutgoingRequest,
  Progress,
  ServerTransaction,
  ServerUser,
  TransactionLayer,
  TransactionTimers,
} from './types.ts'

export interface TransactionLayerOptions {
  transport: TransportLayer
  timers: TimerQueue
  times: TransactionTimers
  /** Names server transactions (`transaction`) and tags the answers to CANCEL (`tag`). */
  ids: IdSource
  /** May come later, by `serve`. */
  server?: ServerUser
  /** Hears the name of every surprise as it is counted. */
  count?: (name: string) => void
}

export interface ServingTransactionLayer extends TransactionLayer {
  /** Says who takes the requests; those that come earlier are dropped and counted, to be repeated by their senders. */
  serve(server: ServerUser): void
}

export function createTransactionLayer(options: TransactionLayerOptions): ServingTransactionLayer {
  return new Layer(options)
}

class Layer implements ServingTransactionLayer, ServerHost, ClientHost {
  readonly transport: TransportLayer
  readonly timers: TimerQueue
  readonly unreliable: Durations
  readonly reliable: Durations
  readonly surprises = new Map<string, number>()
  runningTimers = 0
  readonly #ids: IdSource
  readonly #count: ((name: string) => void) | undefined
  readonly #servers = new SteadyMap<LiveServerTransaction>()
  /** How many of them are kept under a `methodKey`: mostly none, and then nobody has to look there. */
  #methodKeys = 0
  readonly #clients = new SteadyMap<LiveClientTransaction>()
  /** Of server transactions that are over, by `methodKey`: what a repeated request is answered with, nothing when it is absorbed. */
  readonly #over: Remnants
  /** Of client transactions that are over, by `clientKey`: where a repeated 2xx goes, nowhere when it is absorbed. */
  readonly #passing: Remnants
  #server: ServerUser | undefined

  constructor(options: TransactionLayerOptions) {
    this.transport = options.transport
    this.timers = options.timers
    this.unreliable = unreliableDurations(options.times)
    this.reliable = reliableDurations(options.times)
    this.#ids = options.ids
    this.#server = options.server
    this.#count = options.count
    this.#over = new Remnants(options.timers, this.unreliable.patience)
    this.#passing = new Remnants(options.timers, this.unreliable.patience)
  }

  serve(server: ServerUser): void {
    this.#server = server
  }

  get counts(): { server: number; client: number; timers: number } {
    return {
      server: this.#servers.size + this.#over.size,
      client: this.#clients.size + this.#passing.size,
      timers: this.runningTimers,
    }
  }

  surprise(name: string): void {
    this.surprises.set(name, (this.surprises.get(name) ?? 0) + 1)
    this.#count?.(name)
  }

  // requests and server transactions

  receiveRequest(request: SipMessage, flow: Flow): void {
    const via = request.via
    if (via === undefined) return this.surprise('request without Via')
    if (this.#server === undefined) return this.surprise('request before there is a user')
    const key = serverKey(request, via)
    if (request.method === 'ACK') return this.#receiveAck(request, key, via, flow)
    const known = this.#findServer(key, request.method)
    if (known !== undefined) known.input('request')
    else if (!this.#isOver(key, request.method)) this.#begin(request, key, via, flow)
  }

  /** Answers, or absorbs, the repeat of a request whose transaction nobody has to do with any more. */
  #isOver(key: string, method: string): boolean {
    const over = this.#over.get(methodKey(method, key))
    if (over?.destination !== undefined) this.transport.send(over.text, over.destination)
    return over !== undefined
  }

  keepRemnant(transaction: LiveServerTransaction): void {
    const { method, lastResponse, destination } = transaction
    const isAnswered = method !== 'INVITE' && lastResponse !== undefined
    this.#over.add(remnantKey(transaction), isAnswered ? destination : undefined, isAnswered ? lastResponse : undefined)
    this.removeServer(transaction)
    transaction.leave()
  }

  dropRemnant(transaction: LiveServerTransaction): void {
    if (transaction.method !== 'INVITE') this.#over.delete(remnantKey(transaction))
  }

  /** Everything but the ACK of a 2xx belongs to the INVITE's transaction (RFC 3261 17.2.3). */
  #receiveAck(ack: SipMessage, key: string, via: Via, flow: Flow): void {
    const invite = hasUniqueBranch(via) ? this.#findServer(key, 'INVITE') : this.#findOldInvite(ack, key)
    if (invite !== undefined) invite.input('ack', ack)
    else this.#server?.onAck(ack, flow)
  }

  /** RFC 2543: the ACK has the To tag of our response, the INVITE had none, or the same one within a dialog. */
  #findOldInvite(ack: SipMessage, key: string): LiveServerTransaction | undefined {
    const invite = this.#findServer(key, 'INVITE') ?? this.#findServer(oldServerKey(ack, ''), 'INVITE')
    if (invite?.lastResponse === undefined) return undefined
    const read = readMessage(invite.lastResponse)
    return read.ok && read.message.toTag === ack.toTag ? invite : undefined
  }

  #begin(request: SipMessage, key: string, via: Via, flow: Flow): void {
    this.#addServer(request, key, via, flow).input('request')
  }

  #addServer(request: SipMessage, key: string, via: Via, flow: Flow): LiveServerTransaction {
    const { method } = request
    const hasMethodKey = method === 'CANCEL' || this.#servers.has(key)
    if (hasMethodKey) this.#methodKeys++
    const ownKey = ownText(hasMethodKey ? methodKey(method, key) : key)
    const transaction = new LiveServerTransaction(this, ownKey, request, via, flow)
    transaction.hasMethodKey = hasMethodKey
    this.#servers.set(ownKey, transaction)
    return transaction
  }

  get patienceMs(): number {
    return this.unreliable.patience
  }

  takeUpServer(
    request: SipMessage,
    flow: Flow,
    lastResponse: string | undefined,
    { leftMs }: Progress,
  ): ServerTransaction | undefined {
    const { via, method } = request
    const key = via && serverKey(request, via)
    if (key === undefined || this.#findServer(key, method) !== undefined || this.#over.has(methodKey(method, key)))
      return undefined
    const transaction = this.#addServer(request, key, via!, flow)
    transaction.takeUp(lastResponse, leftMs)
    const cancel = this.#servers.get(methodKey('CANCEL', key))
    if (cancel) this.#answerCancelIn(0, cancel)
    return transaction
  }

  #findServer(key: string, method: string): LiveServerTransaction | undefined {
    const first = this.#servers.get(key)
    if (first?.method === method) return first
    return this.#methodKeys === 0 ? undefined : this.#servers.get(methodKey(method, key))
  }

  newServerId(): string {
    return this.#ids.next('transaction')
  }

  onRequest(transaction: LiveServerTransaction): void {
    if (transaction.method === 'CANCEL') this.#answerCancel(transaction)
    else this.#server!.onRequest(transaction.request, transaction)
  }

  onAck(ack: SipMessage, transaction: LiveServerTransaction): void {
    this.#server!.onAck(ack, transaction.flow)
  }

  onServerEnd(transaction: LiveServerTransaction): void {
    this.removeServer(transaction)
    if (transaction.method !== 'CANCEL') this.#server!.onServerEnd(transaction)
  }

  removeServer(transaction: LiveServerTransaction): void {
    this.#servers.delete(transaction.key)
    if (transaction.hasMethodKey) this.#methodKeys--
  }

  /**
   * RFC 3261 9.2: 200 whatever it cancels, 481 when that is nothing; only an INVITE without final response hears of it.
   * @param isLast nobody else is asked any more
   */
  #answerCancel(cancel: LiveServerTransaction, isLast = false): void {
    if (cancel.isFinal) return
    const { request, flow } = cancel
    const key = cancel.key.slice(methodKey('CANCEL', '').length)
    const target = this.#findServer(key, 'INVITE') ?? this.#servers.get(key)
    const status = target !== undefined || this.#over.has(methodKey('INVITE', key)) ? 200 : 481
    if (status === 481 && !isLast) {
      if (flow.isHandedOver) return cancel.abandon()
      if (this.#server?.onStrayCancel?.(request, flow)) return this.#answerCancelIn(this.unreliable.clear * 2, cancel)
    }
    const text = buildResponse(request, status, reasonPhrase(status), {
      toTag: this.#ids.next('tag'),
      received: receivedOf(request, flow.remoteAddress, flow.remotePort),
    })
    cancel.respond(text, status)
    if (target?.state === 'proceeding' && target.method === 'INVITE') this.#server!.onCancel(request, target)
  }

  /** Whoever has its INVITE has answered it by then, or has gone, and the INVITE was taken up here. */
  #answerCancelIn(ms: number, cancel: LiveServerTransaction): void {
    this.timers.start(ms, { onTimer: () => this.#answerCancel(cancel, true) }, 'stray CANCEL')
  }

  // responses and client transactions

  request(outgoing: OutgoingRequest, user: ClientUser): ClientTransaction {
    const transaction = this.#addClient(outgoing, user)
    transaction.input('request')
    return transaction
  }

  takeUpClient(outgoing: OutgoingRequest, user: ClientUser, progress: Progress): ClientTransaction {
    const transaction = this.#addClient(outgoing, user)
    transaction.takeUp(progress)
    return transaction
  }

  #addClient(outgoing: OutgoingRequest, user: ClientUser): LiveClientTransaction {
    const key = clientKey(outgoing.branch, outgoing.method)
    if (this.#clients.has(key)) throw new Error(`branch ${outgoing.branch}: a client transaction has it already`)
    const transaction = new LiveClientTransaction(this, outgoing, user)
    this.#clients.set(key, transaction)
    return transaction
  }

  receiveResponse(response: SipMessage, flow: Flow): boolean {
    const transaction = this.#findClient(response)
    if (transaction === 'over') return true
    if (transaction === undefined) return false
    if (flow.remoteAddress !== transaction.destination.remoteAddress) this.surprise('response from another address')
    transaction.receive(response)
    return true
  }

  /** RFC 3261 17.1.3 and 18.1.2. Counts why there is none. */
  #findClient(response: SipMessage): LiveClientTransaction | 'over' | undefined {
    const via = response.via
    if (via === undefined) return this.#drop('response without Via')
    if (!isOurs(via, this.transport.listeners)) return this.#drop('response to another sent-by')
    const key = clientKey(via.branch, response.method)
    const transaction = this.#clients.get(key)
    if (transaction === undefined)
      return this.#passOn(response, key) ? 'over' : this.#drop('response without transaction')
    if (transaction.method !== response.method) return this.#drop('response to another method')
    return transaction
  }

  /** A repeat of a final response whose transaction nobody has to do with any more: a 2xx goes on as it is, for its ACK to be repeated. */
  #passOn(response: SipMessage, key: string): boolean {
    const over = this.#passing.get(key)
    if (over === undefined) return false
    const isPassed = over.destination !== undefined && response.status >= 200 && response.status < 300
    const text = isPassed ? spliceResponse(response) : undefined
    if (text !== undefined) this.transport.send(text, over.destination!)
    return true
  }

  keepPassing(transaction: LiveClientTransaction, back: Destination | undefined): void {
    this.#passing.add(clientKey(transaction.branch, transaction.method), back, undefined)
    this.onClientEnd(transaction)
  }

  #drop(name: string): undefined {
    this.surprise(name)
    return undefined
  }

  sendCancel(text: string, { branch, destination }: LiveClientTransaction): void {
    // What becomes of a CANCEL changes nothing: the INVITE's final response, or its limit, ends the matter.
    this.request({ text, method: 'CANCEL', branch, destination, context: undefined }, deaf)
  }

  onClientEnd(transaction: LiveClientTransaction): void {
    this.#clients.delete(clientKey(transaction.branch, transaction.method))
  }
}

function remnantKey({ key, method, hasMethodKey }: LiveServerTransaction): string {
  return hasMethodKey ? key : methodKey(method, key)
}
