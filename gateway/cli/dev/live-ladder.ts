import type { Clock } from '../../../functions/contract/clock.ts'
import type { Invocation } from '../../../functions/contract/envelope.ts'
import type { PushMessage, PushResult } from '../../../functions/contract/push.ts'
import type { HostReply } from '../../invocation/host.ts'
import { arrowLine, messageLabel } from '../../observe/ladder.ts'
import { redactedText } from '../../observe/redact.ts'
import { readMessage, type SipMessage } from '../../sip/message.ts'
import type { Ends, Tap } from '../../transport/tap.ts'
import { Names } from './names.ts'

/** Every call as a ladder, arrow by arrow while it happens: messages, functions and what they want, pushes. */
export class LiveLadder implements Tap {
  readonly #clock: Clock
  readonly #print: (line: string) => void
  readonly #names = new Names()
  /** By Call-ID. */
  readonly #calls = new Map<string, string>()
  #count = 0
  /** Call-IDs by the name that pushes and functions give a call. */
  readonly #callIds = new Map<string, string>()

  constructor(clock: Clock, print: (line: string) => void) {
    this.#clock = clock
    this.#print = print
  }

  received(text: string, { remote: from }: Ends): void {
    const message = messageOf(text)
    if (message) this.#draw(callOf(message), this.#names.ofSender(message, from), 'gateway', messageLabel(message))
  }

  sent(text: string, { remote: to }: Ends): void {
    const message = messageOf(text)
    if (message) this.#draw(callOf(message), 'gateway', this.#names.ofReceiver(message, to), messageLabel(message))
  }

  asked(path: string, { data, type, subject = '' }: Invocation): void {
    this.#callIds.set(data.transaction.id, subject)
    const cause = data.event?.type ?? data.wait?.event?.type
    const label = [path, ...(cause ? [cause] : []), ...(type === 'wait.timed_out' ? ['timed out'] : [])].join(' ')
    this.#draw(subject, 'gateway', 'function', data.attempt > 1 ? `${label} (once more)` : label)
  }

  /** What diverged is told step by step: what the handler did, and what it would do now. */
  replied({ subject = '' }: Invocation, reply: HostReply): void {
    this.#draw(subject, 'function', 'gateway', replyLabel(reply))
    const diff = reply.kind === 'problem' ? (reply.problem.diff ?? []) : []
    for (const step of diff) this.#print(`${STEP_MARGIN}${redactedText(step)}`)
  }

  pushed(message: PushMessage): void {
    const { aor, provider, purpose } = message
    this.#draw(this.#callIdOf(message), 'gateway', 'push', `${WORDS[purpose]} ${aor} (${provider})`)
  }

  notPushed(message: PushMessage, { outcome, error }: PushResult): void {
    this.#draw(this.#callIdOf(message), 'push', 'gateway', error === undefined ? outcome : `${outcome}: ${error}`)
  }

  #draw(callId: string, from: string, to: string, label: string): void {
    const at = this.#clock.now()
    this.#print(arrowLine(`${timeOf(at)} ${this.#numberOf(callId)}`, { at, from, to, label: redactedText(label) }))
  }

  #callIdOf({ call }: PushMessage): string {
    return call === undefined ? '' : (this.#callIds.get(call.id) ?? '')
  }

  /** `#1`; blank for what belongs to no call, such as a REGISTER. */
  #numberOf(callId: string): string {
    if (callId === '') return '   '
    const known = this.#calls.get(callId)
    if (known !== undefined) return known
    this.#print('')
    const number = `#${++this.#count}`.padEnd(3)
    this.#calls.set(callId, number)
    return number
  }
}

/** As wide as time, number and both names. */
const STEP_MARGIN = ' '.repeat(40)

const WORDS = { call: 'wake', cancel: 'cancel', refresh: 'refresh', request: 'wake' }

function messageOf(text: string): SipMessage | undefined {
  const read = readMessage(text)
  return read.ok ? read.message : undefined
}

function callOf({ method, callId }: SipMessage): string {
  return method === 'REGISTER' || method === 'OPTIONS' ? '' : callId
}

/** What the function wants: the names of its actions, with what tells them apart. */
function replyLabel(reply: HostReply): string {
  if (reply.kind === 'none') return '204 not mine'
  if (reply.kind === 'problem') return `${reply.problem.code}: ${reply.problem.detail}`
  const { actions } = reply.answer as { actions?: unknown }
  if (!Array.isArray(actions)) return 'an answer without actions'
  return actions.length === 0 ? 'no action' : actions.map(actionLabel).join(', ')
}

function actionLabel(action: Record<string, unknown>): string {
  const detail = action.event ?? action.status ?? action.type
  const name = String(action.action)
  if (name === 'wait' && Array.isArray(action.any)) {
    return `wait ${action.any.map((each) => each?.event ?? each?.fork ?? '').join(' or ')}`.trim()
  }
  return typeof detail === 'string' || typeof detail === 'number' ? `${name} ${detail}` : name
}

/** `09:41:05.123`, the time of day here. */
function timeOf(ms: number): string {
  const date = new Date(ms)
  const two = (value: number) => String(value).padStart(2, '0')
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')
  return `${time}.${String(date.getMilliseconds()).padStart(3, '0')}`
}
