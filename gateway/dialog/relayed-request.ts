import type { Branch } from '../proxy/branch.ts'
import type { ProxyContext, ProxyOwner } from '../proxy/context.ts'
import type { Identity } from '../proxy/identity.ts'
import type { Target } from '../proxy/target.ts'
import { reasonPhrase } from '../sip/build.ts'
import type { SipMessage } from '../sip/message.ts'
import { withoutPush } from '../sip/push-params.ts'
import type { Destination } from '../transport/types.ts'
import { contactUri, type Party } from './dialog.ts'
import { readDigit } from './dtmf.ts'
import type { RelayParts } from './relay.ts'
import type { Found } from './table.ts'

/** By which of the other gateways a request may go. */
export class Ways {
  identity: Identity
  readonly #closed: Destination[] = []

  constructor(identity: Identity) {
    this.identity = identity
  }

  /** Nobody goes by that one any more. @returns false when nobody was to: the request was addressed to it */
  close(peer: Destination): boolean {
    const { remoteAddress, remotePort } = peer
    if (this.#closed.some((each) => each.remoteAddress === remoteAddress && each.remotePort === remotePort))
      return false
    this.#closed.push(peer)
    this.identity = this.identity.without(peer)
    return true
  }
}

/** What one relayed request and its answer change in the dialog. */
export class RelayedRequest implements ProxyOwner {
  readonly #parts: RelayParts
  readonly #request: SipMessage
  readonly #found: Found | undefined
  readonly #goAround: (branch: Branch, identity: Identity) => Target | undefined
  #ways: Ways | undefined
  #context: ProxyContext | undefined

  constructor(
    parts: RelayParts,
    request: SipMessage,
    found: Found | undefined,
    goAround: (branch: Branch, identity: Identity) => Target | undefined,
  ) {
    this.#parts = parts
    this.#request = request
    this.#found = found
    this.#goAround = goAround
  }

  /** There is none to a device that has registered at the gateway itself: no route says more than that. */
  detour(branch: Branch): Target | undefined {
    const { target, transaction } = branch
    const isThere = target.binding && this.#parts.peers.routeTo(target.binding.received) !== undefined
    if (isThere || !transaction) return undefined
    this.#ways ??= new Ways(this.#parts.identity)
    return this.#ways.close(transaction.destination) ? this.#goAround(branch, this.#ways.identity) : undefined
  }

  /** On arrival, before the far end has answered. */
  seen(context: ProxyContext): void {
    this.#context = context
    if (!this.#found) return
    const { dialog, sender } = this.#found
    sender.cseq = Math.max(sender.cseq, this.#request.cseq?.number ?? 0)
    const digit = this.#request.method === 'INFO' ? readDigit(this.#request) : undefined
    if (digit) dialog.owner.onDigit(dialog, digit.digit, digit.durationMs)
  }

  onRinging(): void {}
  onBranchFailed(): void {}
  onForkEnded(): void {}
  onProgress(): void {}
  onRepeatable(): void {}
  onCancelled(): void {}

  onOrphan(_branch: Branch, response: SipMessage): void {
    if (this.#request.method === 'INVITE') this.#parts.acknowledge(this.#request, response)
  }

  onAnswered(_branch: Branch, response: SipMessage): void {
    if (!this.#found) return
    const { dialog, sender } = this.#found
    const { method } = this.#request
    if (method === 'INVITE' || method === 'UPDATE') {
      refreshTarget(sender, this.#request)
      refreshTarget(dialog.other(sender), response)
      this.#parts.dialogs.refreshed(dialog, response, this.#parts.proxy.now())
      this.#watchHold(sender)
      dialog.owner.onDialogRefreshed(dialog)
    } else if (method === 'REFER') {
      dialog.owner.onDialogEvent(dialog, 'call.transferred', withoutPush(this.#request.header('Refer-To') ?? ''))
    }
  }

  onFinal(status: number): void {
    if (this.#found) this.#watchEnd(this.#found, status)
    else if (this.#request.method === 'BYE') this.#passed(this.#context!)
    if (status < 300 && this.#request.method !== 'INVITE') this.#context?.retire()
  }

  /** A BYE of a call whose gateway is gone: of one that another has, or that only has a phone here, that one hears itself. */
  #passed({ media, routes, branches }: ProxyContext): void {
    media?.end()
    const isElsewhere = routes.peer !== undefined || routes.edge !== undefined
    const isHandedOn = branches.some(({ target }) => target.route !== undefined)
    if (routes.drop > 0 && !isElsewhere && !isHandedOn) this.#parts.goodbyes?.note(this.#request)
  }

  /** BYE ends the dialog whatever is answered; 481 and 408 say that the far end has lost it (RFC 3261 12.2.1.2). */
  #watchEnd({ dialog, sender }: Found, status: number): void {
    const isBye = this.#request.method === 'BYE'
    if (!isBye && status !== 481 && status !== 408) return
    if (!this.#parts.dialogs.remove(dialog)) return
    const end = isBye ? sender : dialog.other(sender)
    dialog.ended(
      isBye ? 200 : status,
      isBye ? (this.#request.header('Reason') ?? '') : reasonPhrase(status),
      end === dialog.caller ? 'caller' : 'callee',
    )
  }

  #watchHold(sender: Party): void {
    const { dialog } = this.#found!
    const { body } = this.#request
    if (body === '') return
    const holds = body.includes('\na=sendonly') || body.includes('\na=inactive') || body.includes('\nc=IN IP4 0.0.0.0')
    if (holds && !dialog.held)
      dialog.owner.onDialogEvent(dialog, 'call.held', sender === dialog.caller ? 'caller' : 'callee')
    dialog.held = holds
  }
}

/** Target refresh requests and their 2xx carry a new remote target in their Contact (RFC 3261 12.2). */
function refreshTarget(party: Party, message: SipMessage): void {
  const target = contactUri(message)
  if (target !== '') party.target = target
}
