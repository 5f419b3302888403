import { headerLine } from '../sip/header-line.ts'
import { readMessage, type SipMessage } from '../sip/message.ts'
import type { HeaderEdits } from '../sip/splice.ts'

const SESSION_EXPIRES = 'Session-Expires'

/**
 * Asks that the sessions which pass here are refreshed (RFC 4028 8): what nobody refreshes is over, and is seen to be. Only who has sent the
 * request can be asked: it has to understand what comes of it.
 */
export class SessionTimer {
  readonly #seconds: number

  /** @param seconds of a session without a refresh, from 90 */
  constructor(seconds: number) {
    this.#seconds = seconds
  }

  /** What a request, of whose edits these are the others, asks for besides (8.1). */
  ask(request: SipMessage, edits: HeaderEdits | undefined): HeaderEdits | undefined {
    if (!isTimed(request) || request.header(SESSION_EXPIRES) !== undefined || names(edits)) return edits
    return { ...edits, add: [...(edits?.add ?? []), [SESSION_EXPIRES, String(this.#interval(request))]] }
  }

  /** The 2xx of a far end that knows no timers: who has asked refreshes (8.2). Any other is left as it is. */
  answer(request: SipMessage, answer: SipMessage): SipMessage {
    if (!isTimed(request) || answer.header(SESSION_EXPIRES) !== undefined) return answer
    return withLines(answer, [
      [SESSION_EXPIRES, `${this.#interval(request)};refresher=uac`],
      ['Require', 'timer'],
    ])
  }

  /** Its own, or ours: not less than it says that it takes. */
  #interval(request: SipMessage): number {
    const own = secondsOf(request, SESSION_EXPIRES)
    return own > 0 ? own : Math.max(this.#seconds, secondsOf(request, 'Min-SE'))
  }
}

function isTimed(request: SipMessage): boolean {
  if (request.method !== 'INVITE' && request.method !== 'UPDATE') return false
  return ['Supported', 'Require'].some((name) => request.values(name).some((tag) => /^\s*timer\s*$/i.test(tag)))
}

/** A function has said what the far end is asked for. */
function names(edits: HeaderEdits | undefined): boolean {
  const given = [...Object.keys(edits?.set ?? {}), ...(edits?.add ?? []).map(([name]) => name)]
  return given.some((name) => /^(session-expires|x)$/i.test(name))
}

/** 0 when there is none. */
function secondsOf(message: SipMessage, name: string): number {
  return Number.parseInt(message.header(name) ?? '', 10) || 0
}

function withLines(message: SipMessage, lines: readonly [string, string][]): SipMessage {
  const { text, index } = message
  const added = lines.map(([name, value]) => headerLine(name, value)).join('')
  const read = readMessage(text.slice(0, index.end) + added + text.slice(index.end))
  // It was read before: should it not be now, the call goes on without a timer.
  return read.ok ? read.message : message
}
