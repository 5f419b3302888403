import type { ActionOf, Target } from '../contract/actions.ts'
import type { Duration } from '../contract/duration.ts'

/** Builders of actions. `call.fork(…)` records what `fork(…)` builds; inline reactions are lists of them. */

/** In an inline reaction: the attribute of the event that fires it. See `fromEvent`. */
export interface FromEvent {
  fromEvent: string
}
/** A text, or what stands for one in an inline reaction. */
export type Text = string | FromEvent

/** An action of an inline reaction, made by one of the builders. */
export interface ReactionAction {
  action: string
  [field: string]: unknown
}

/** A URI, a contact (of `call.contacts`), or a target with its own q and AOR. `Value` is `Text` in reactions. */
export type TargetLike<Value extends Text = string> = Value | { uri: Value; q?: number; aor?: Value }
export type Targets<Value extends Text = string> = TargetLike<Value> | readonly TargetLike<Value>[]

/** What may be set on a fork besides its targets; see the contract's `Fork`. */
export type ForkOptions = Omit<ActionOf<'fork'>, 'action' | 'targets'>
export type ReplyOptions = Pick<ActionOf<'reply'>, 'headers' | 'contentType' | 'body'>
export type ChallengeOptions = Omit<ActionOf<'challenge'>, 'action' | 'realm'>
export type SaveOptions = Omit<ActionOf<'save'>, 'action'>
/** Which branches: of the fork of that id, of that contact, or (`{}`) all. */
export type CancelOptions<Value extends Text = string> = { fork?: string; contact?: Value; reason?: Value }
export type SendOptions<Value extends Text = string> = {
  from?: Value
  headers?: ActionOf<'send'>['headers']
  contentType?: Value
  body?: Value
}
export type PushOptions = Pick<ActionOf<'push'>, 'skipIfRingingWithin' | 'progress' | 'reportStatus'>
export type HangupOptions = Pick<ActionOf<'hangup'>, 'status' | 'via' | 'cause'>
export type Values = Readonly<Record<string, string | number | boolean>>

/** Stands for an attribute of the event that fires an inline reaction: `fork(fromEvent("contact"))`. */
export function fromEvent(attribute: string): FromEvent {
  return { fromEvent: attribute }
}

/** Forks the request to the targets; on a transaction that has branches already, adds to them. */
export function fork(targets: Targets<Text>, options?: ForkOptions) {
  return extended({ action: 'fork', targets: targetList(targets) }, options)
}

/** Answers the request itself, 101 to 699. */
export function reply(status: number, reason?: Text, options?: ReplyOptions) {
  return extended({ action: 'reply', status }, { reason, ...options })
}

/** Sends the caller elsewhere: 300, 301, 302 (default) or 305. */
export function redirect(targets: Targets, status?: 300 | 301 | 302 | 305) {
  return extended({ action: 'redirect', targets: targetList(targets) }, { status })
}

/** Asks for digest credentials (RFC 8760): 401, or 407 with `proxy`. */
export function challenge(realm: string, options?: ChallengeOptions) {
  return extended({ action: 'challenge', realm }, options)
}

/** Lets the built-in registrar process and answer this REGISTER. */
export function save(options?: SaveOptions) {
  return extended({ action: 'save' }, options)
}

/** Removes one binding of the AOR, or all of them. */
export function remove(aor: Text, contact?: Text) {
  return extended({ action: 'remove', aor }, { contact })
}

/** Cancels branches that have not answered. */
export function cancel(options?: CancelOptions<Text>) {
  return extended({ action: 'cancel' }, options)
}

/** Keeps the transaction open for late branches, also when every branch has failed. */
export function halt(duration: Duration) {
  return { action: 'halt', for: duration }
}

/** Ends the subscription of that name; without a name every one of the call, and whatever its handlers wait for. */
export function unsubscribe(name?: string) {
  return extended({ action: 'unsubscribe' }, { name })
}

/** Raises an event. */
export function publish(type: string, attributes?: Readonly<Record<string, string | number | boolean | FromEvent>>) {
  return extended({ action: 'publish', type }, { attributes })
}

/** Wakes the sleeping devices of the AOR that are not ringing already. */
export function push(aor: Text, data?: Readonly<Record<string, Text>>, options?: PushOptions) {
  return extended({ action: 'push', aor }, { data, ...options })
}

/** Ends the call: BYE both ways when it is answered, by FreeSWITCH with `via`, else a final response (default 480). */
export function hangup(reason?: Text, options?: HangupOptions) {
  return extended({ action: 'hangup' }, { reason, ...options })
}

/** Sends a new request outside of any dialog. */
export function send(
  method: ActionOf<'send'>['method'],
  target: TargetLike<Text>,
  options?: SendOptions<Text>,
): ReactionAction {
  return extended({ action: 'send', method, target: targetOf(target) }, options)
}

/** Adds to the record of the call. */
export function annotate(values: Readonly<Record<string, string | number | boolean | FromEvent>>) {
  return { action: 'annotate', values: asTexts(values) }
}

/** Targets as the contract has them. */
export function targetList(targets: Targets<Text>): Target[] {
  return Array.isArray(targets)
    ? (targets as TargetLike<Text>[]).map(targetOf)
    : [targetOf(targets as TargetLike<Text>)]
}

function targetOf(target: TargetLike<Text>): Target {
  if (typeof target === 'string') return target
  if (typeof target !== 'object' || target === null) {
    throw new TypeError(`expected a SIP URI or a contact as target, got ${String(target)}`)
  }
  if ('fromEvent' in target) return target as unknown as string
  return extended({ uri: target.uri }, { q: target.q, aor: target.aor }) as Target
}

/** Adds the options that are given. */
function extended<T extends object>(action: T, options: object | undefined): T & ReactionAction {
  for (const name in options) {
    const value = options[name as keyof typeof options]
    if (value !== undefined && !(name in action)) (action as Record<string, unknown>)[name] = value
  }
  return action as T & ReactionAction
}

/** Notes are texts: numbers and booleans are written out. */
function asTexts(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      typeof value === 'object' || value === undefined ? value : String(value),
    ]),
  )
}
