import type { MediaLeg } from '../media/types.ts'
import type { SipMessage } from '../sip/message.ts'
import type { ClientTransaction } from '../transaction/types.ts'
import type { Destination } from '../transport/types.ts'
import type { ProxyContext } from './context.ts'
import type { Fork } from './fork.ts'
import type { Target } from './target.ts'

export type BranchState =
  /** The request is on its way (or its next hop is being located); nothing but 100 has come. */
  | 'calling'
  | 'ringing'
  | 'answered'
  | 'failed'
  /** CANCEL was sent or is held; the final response has not come yet. */
  | 'cancelling'
  | 'cancelled'

/** One client transaction of a forked request. */
export class Branch {
  /** The branch parameter of its Via. */
  readonly id: string
  readonly context: ProxyContext
  readonly fork: Fork
  target: Target
  state: BranchState = 'calling'
  /**
   * Last status received; 0 before any; 408 and 503 also stand for time-outs and transport failures (RFC 3261 16.8, 16.9), 430 for a
   * gateway of ours that could not be reached, or a flow that is gone.
   */
  status = 0
  /** The final response of the far end, undefined when the status is of our own making. */
  final: SipMessage | undefined
  transaction: ClientTransaction | undefined
  /** Next hops that are left when this one fails (RFC 3263 4.3). */
  alternatives: Destination[] = []
  /** It goes to another gateway of ours. */
  isToPeer = false
  /** Given up by us: a final response that still comes counts no more, unless it is a 2xx. */
  abandoned = false
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  /** Of a branch whose media is relayed. */
  media: MediaLeg | undefined
  /** The request with its media made fit for the far end, until it is sent. */
  fit: SipMessage | undefined
  /** It has failed by the relaying of its media alone. */
  isUnfit = false
  /** Milliseconds from then until it rang first, and until it was known what became of it; -1 before. */
  rangMs = -1
  endedMs = -1
  timerC: unknown
  noReply: unknown
  /** What waits for its end. */
  whenGone: (() => void) | undefined

  constructor(id: string, context: ProxyContext, fork: Fork, target: Target, startedAt = context.proxy.now()) {
    this.id = id
    this.context = context
    this.fork = fork
    this.target = target
    this.startedAt = startedAt
  }

  onTimer(kind: string): void {
    if (kind === 'C') this.timerC = undefined
    else this.noReply = undefined
    this.context.branchTimedOut(this)
  }

  rang(): void {
    if (this.rangMs < 0) this.rangMs = this.context.proxy.now() - this.startedAt
  }

  /** Nothing is waited for from it any more. */
  gone(): void {
    const act = this.whenGone
    this.whenGone = undefined
    act?.()
  }

  ended(): void {
    if (this.endedMs < 0) this.endedMs = this.context.proxy.now() - this.startedAt
  }

  /** May still ring or be answered, as far as the transaction's progress is concerned. */
  get isLive(): boolean {
    return (this.state === 'calling' || this.state === 'ringing' || this.state === 'cancelling') && !this.abandoned
  }

  /**
   * The user has said no (486, 6xx): the device is not asked again when it registers anew. Any other failure may have come from an old
   * contact that nobody is at any more.
   */
  get wasRefused(): boolean {
    return this.final !== undefined && (this.status === 486 || this.status >= 600)
  }
}
