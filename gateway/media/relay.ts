import type { SipMessage } from '../sip/message.ts'
import { inOrder } from './choose.ts'
import type { Engine } from './engine.ts'
import { type Agreement, type Description, exchangeOfRequest } from './exchange.ts'
import { Leg } from './leg.ts'
import type { Command } from './ng.ts'
import { offerOptions } from './offer-options.ts'
import { findSdp, withSdp } from './sdp-body.ts'
import { Session } from './session.ts'
import { branchKey, ngCallId, plain, readParam, type SessionName } from './session-name.ts'
import type { Media, MediaLeg, MediaPolicy, MediaSession } from './types.ts'

/** What came of a session description: it as the other side is to get it, or why there is none. */
export type Rewritten = { ok: true; sdp: string } | { ok: false; status: 488 | 503; isAway: boolean }

/** So many rtpengines are asked before a call is refused: nobody waits for long. */
const MAX_TRIES = 3
const AWAY: Rewritten = { ok: false, status: 503, isAway: true }
const REPLACE = ['origin', 'session-connection']

/** Has session descriptions rewritten by the rtpengines. Nothing that it knows of a call has to outlive the process: see SessionName. */
export class MediaRelay implements Media {
  readonly #engines: readonly Engine[]
  readonly #onBug: (error: unknown) => void
  readonly #callsOutlive: boolean
  /** Begun here, without an answer, and without anybody who would go on with them. */
  readonly #ringing = new Set<Session>()

  /** @param callsOutlive another process goes on with calls that ring when this one ends */
  constructor(
    engines: readonly Engine[],
    { callsOutlive, onBug }: { callsOutlive: boolean; onBug(error: unknown): void },
  ) {
    this.#engines = engines
    this.#callsOutlive = callsOutlive
    this.#onBug = onBug
  }

  leg(branch: string, request: SipMessage, policy: MediaPolicy): MediaLeg {
    const name = { engine: '', branch: branchKey(branch), isDelayed: findSdp(request) === undefined }
    return this.#firstLeg(name, request, policy)
  }

  takeUp(param: string, request: SipMessage, policy: MediaPolicy): MediaLeg | undefined {
    const name = readParam(param)
    if (!name) return undefined
    const leg = this.#firstLeg(name, request, policy)
    leg.goOn(request)
    return leg
  }

  #firstLeg(name: SessionName, request: SipMessage, policy: MediaPolicy): Leg {
    const caller = { tag: plain(request.fromTag), policy }
    const session = new Session(this, { name, callId: request.callId, caller, isKnown: true })
    if (!this.#callsOutlive) this.#ringing.add(session)
    return new Leg(this, session, { isFirst: true, ifAway: policy.ifAway, onBug: this.#onBug })
  }

  session(param: string, callId: string): MediaSession | undefined {
    const name = readParam(param)
    return name && new Session(this, { name, callId, caller: undefined, isKnown: false })
  }

  dialogLeg(session: MediaSession): MediaLeg {
    return new Leg(this, session as Session, { isFirst: false, ifAway: undefined, onBug: this.#onBug })
  }

  acknowledge(session: MediaSession, ack: SipMessage): Promise<SipMessage> | undefined {
    const place = findSdp(ack)
    return place && this.#acknowledge(session as Session, ack, place)
  }

  async #acknowledge(session: Session, ack: SipMessage, place: { start: number; end: number }): Promise<SipMessage> {
    const exchange = exchangeOfRequest(ack, session.name.isDelayed)!
    if (!(await this.has(session))) return ack
    const answer = { exchange, sdp: ack.text.slice(place.start, place.end) }
    if (session.offered) session.agree(session.offered, answer)
    const rewritten = await this.rewrite(session, answer)
    // The other side waits for its ACK whatever is in it.
    return rewritten.ok ? withSdp(ack, place, rewritten.sdp) : ack
  }

  /** Settles which rtpengine a session is at, before there is anything to offer. @returns false when none is there */
  settle(session: Session): boolean {
    const engine = this.#candidates(session)[0]
    if (engine) session.name.engine = engine.key
    return engine !== undefined
  }

  /** Whether this is about a session of ours: anybody may write a Route, and what no rtpengine knows is not begun for it. */
  async has(session: Session): Promise<boolean> {
    if (session.isKnown) return true
    const engine = this.#engineOf(session)
    if (!engine || engine.isUp === false) return false
    const { kind } = await engine.ask({ command: 'query', 'call-id': ngCallId(session.name, session.callId) })
    session.isKnown = kind === 'done'
    return session.isKnown
  }

  /** An offer goes to the rtpengine that has the session, else to the next one that is there; an answer to where the offer was. */
  async rewrite(session: Session, described: Description): Promise<Rewritten> {
    const candidates = described.exchange.command === 'offer' ? this.#candidates(session) : [this.#engineOf(session)]
    const silent: Engine[] = []
    let last: Rewritten = AWAY
    for (const engine of candidates.slice(0, MAX_TRIES)) {
      if (!engine) continue
      const outcome = await engine.ask(commandOf(session, described))
      if (outcome.kind === 'done' && typeof outcome.answer.sdp === 'string') {
        session.name.engine = engine.key
        this.#forgetAt(silent, session)
        return { ok: true, sdp: outcome.answer.sdp }
      }
      if (outcome.kind === 'away') {
        silent.push(engine)
        continue
      }
      const isCallersFault = outcome.kind === 'refused' && /\bSDP\b/.test(outcome.reason)
      last = { ok: false, status: isCallersFault ? 488 : 503, isAway: false }
    }
    if (session.name.engine === '') this.#forgetAt(silent, session)
    return last
  }

  /** An offer of which nothing has come: the rtpengine, which goes by it, is told what was agreed before. */
  restore(session: Session, offer: Description): void {
    const agreed = session.agreedBefore(offer)
    if (!agreed) return
    const before = session.restoring ?? Promise.resolve()
    const restoring = before
      .then(() => this.#agreedAgain(session, agreed))
      .catch(this.#onBug)
      .then(() => {
        if (session.restoring === restoring) session.restoring = undefined
      })
    session.restoring = restoring
  }

  async #agreedAgain(session: Session, { offer, answer }: Agreement): Promise<void> {
    if (session.isOver) return
    const { answerer } = answer.exchange
    const offered = await this.rewrite(session, { ...offer, exchange: { ...offer.exchange, answerer } })
    if (offered.ok && !session.isOver) await this.rewrite(session, answer)
  }

  /** An answer that came too late, or was lost, leaves a call there that nobody wants. */
  #forgetAt(engines: readonly Engine[], session: Session): void {
    for (const engine of engines) void engine.ask(deletion(session))
  }

  #candidates(session: Session): Engine[] {
    const own = this.#engineOf(session)
    const others = inOrder(this.#engines, session.callId)
    return own && own.isUp !== false ? [own, ...others.filter((each) => each !== own)] : others
  }

  #engineOf({ name }: Session): Engine | undefined {
    return this.#engines.find(({ key }) => key === name.engine)
  }

  /** From now on it belongs to the dialogs of its call. */
  answered(session: Session): void {
    this.#ringing.delete(session)
  }

  /** The process ends: lets go of those that nobody goes on with. */
  endRinging(): void {
    for (const session of this.#ringing) session.end()
  }

  /** Told to the rtpengine that has it; one that does not know it says so, and that is all. */
  ended(session: Session): void {
    this.#ringing.delete(session)
    const engine = this.#engineOf(session)
    // What an rtpengine forgets by itself when no media comes is not waited for.
    if (engine) void engine.ask(deletion(session))
  }
}

/** At once: by default an rtpengine keeps the ports for half a minute. */
function deletion({ name, callId }: Session): Command {
  return { command: 'delete', 'call-id': ngCallId(name, callId), 'delete-delay': 0 }
}

function commandOf({ name, callId, caller }: Session, { exchange, sdp }: Description): Command {
  const { command, offerer, answerer } = exchange
  const made: Command = { command, 'call-id': ngCallId(name, callId), 'from-tag': offerer }
  if (answerer !== '') made['to-tag'] = answerer
  made.sdp = sdp
  made.replace = REPLACE
  // An answer is made to fit the offer that it is to.
  return command === 'offer' && caller?.tag === offerer ? { ...made, ...offerOptions(caller.policy) } : made
}
