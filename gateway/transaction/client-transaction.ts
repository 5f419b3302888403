import { buildAck, buildCancel } from '../sip/build.ts'
import { readMessage, type SipMessage } from '../sip/message.ts'
import type { Destination } from '../transport/types.ts'
import {
  type ClientEffect,
  type ClientInput,
  type ClientState,
  inviteClient,
  nonInviteClient,
} from './client-tables.ts'
import { type Shared, Transaction } from './transaction.ts'
import type { ClientTransaction, ClientUser, OutgoingRequest, Progress } from './types.ts'

/** What client transactions need of their layer. */
export interface ClientHost extends Shared {
  sendCancel(text: string, invite: LiveClientTransaction): void
  onClientEnd(transaction: LiveClientTransaction): void
  /** Nobody has to do with it any more: repeats of its final response are passed on to `back`, or absorbed. */
  keepPassing(transaction: LiveClientTransaction, back: Destination | undefined): void
}

export class LiveClientTransaction
  extends Transaction<ClientState, ClientInput, ClientEffect, ClientHost>
  implements ClientTransaction
{
  readonly branch: string
  readonly method: string
  readonly destination: Destination
  readonly context: unknown
  /** Empty once a final response has come: nothing repeats it any more, and there may be many that only wait for their end. */
  requestText: string
  readonly #user: ClientUser
  #reason: string | undefined = undefined
  #ack: string | undefined = undefined
  readonly #failed = () => this.failSoon()

  constructor(host: ClientHost, outgoing: OutgoingRequest, user: ClientUser) {
    const machine = outgoing.method === 'INVITE' ? inviteClient : nonInviteClient
    super(host, machine, 'initial', outgoing.destination.transport)
    this.branch = outgoing.branch
    this.method = outgoing.method
    this.destination = outgoing.destination
    this.context = outgoing.context
    this.requestText = outgoing.text
    this.#user = user
  }

  /** Goes on where another process has left off. */
  takeUp({ isProceeding, leftMs }: Progress): void {
    this.input(isProceeding ? 'taken up' : 'request')
    this.endIn(leftMs)
  }

  get cancelReason(): string | undefined {
    return this.#reason
  }

  cancel(reason?: string): void {
    this.#reason ??= reason
    this.input('cancel')
  }

  forget(back: Destination): void {
    if (this.state !== 'accepted' && this.state !== 'completed') return
    this.stopAll()
    // A repeated final response to anything but an INVITE is dropped, whether its transaction is known or not.
    if (this.method !== 'INVITE') this.host.onClientEnd(this)
    else this.host.keepPassing(this, this.state === 'accepted' ? back : undefined)
    this.state = 'terminated'
  }

  abandon(): void {
    if (this.state === 'terminated') return
    this.stopAll()
    this.state = 'terminated'
    this.host.onClientEnd(this)
  }

  receive(response: SipMessage): void {
    this.input(responseInput(response.status), response)
  }

  protected get tableName(): string {
    return this.method === 'INVITE' ? 'inviteClient' : 'nonInviteClient'
  }

  protected perform(effect: ClientEffect, message: SipMessage | undefined): void {
    const { durations } = this
    switch (effect) {
      case 'send':
        return this.host.transport.send(this.requestText, this.destination, this.#failed)
      case 'send ACK':
        return this.#sendAck(message!)
      case 'send CANCEL':
        return this.#sendCancel()
      case 'response to user':
        return this.#user.onResponse(message!, this)
      case 'timeout to user':
        return this.#user.onTimeout(this)
      case 'failure to user':
        return this.#user.onTransportFailure(this)
      case 'start A':
        return this.startRepeating('timer A', Number.POSITIVE_INFINITY)
      case 'start B':
        return this.startEnding('timer B', durations.patience)
      case 'start D':
        this.#forgetRequest()
        return this.startEnding('timer D', durations.linger)
      case 'start E':
        return this.startRepeating('timer E', durations.cap)
      case 'start E at T2':
        return this.startRepeatingIn('timer E', durations.cap)
      case 'start F':
        return this.startEnding('timer F', durations.patience)
      case 'start K':
        this.#forgetRequest()
        return this.startEnding('timer K', durations.clear)
      case 'start M':
        this.#forgetRequest()
        return this.startEnding('timer M', durations.patience)
      case 'start limit':
        return this.startEnding('timer limit', durations.patience)
      case 'stop A':
      case 'stop E':
        return this.stopRepeating()
      case 'stop B':
      case 'stop F':
      case 'stop limit':
        return this.stopEnding()
      case 'end':
        this.stopAll()
        return this.host.onClientEnd(this)
      default:
        effect satisfies never
    }
  }

  /** RFC 3261 17.1.1.3: on the way the INVITE went, the same for each repeat of the final response. */
  #sendAck(response: SipMessage): void {
    const request = this.#ack === undefined ? this.#readRequest() : undefined
    if (request !== undefined) this.#ack = buildAck(request, response)
    if (this.#ack !== undefined) this.host.transport.send(this.#ack, this.destination, this.#failed)
  }

  #forgetRequest(): void {
    if (this.method !== 'INVITE' || this.state !== 'completed' || this.#ack !== undefined) this.requestText = ''
  }

  #sendCancel(): void {
    const request = this.#readRequest()
    if (request !== undefined) this.host.sendCancel(buildCancel(request, this.#reason), this)
  }

  /** The request is kept as text alone: only ACK and CANCEL need it indexed again. */
  #readRequest(): SipMessage | undefined {
    const read = readMessage(this.requestText)
    if (read.ok) return read.message
    this.host.surprise('own request cannot be read')
    return undefined
  }
}

function responseInput(status: number): ClientInput {
  if (status < 200) return '1xx'
  return status < 300 ? '2xx' : '3xx-6xx'
}
