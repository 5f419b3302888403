import type { Action, ActionOf, HeaderEdits } from '../../functions/contract/actions.ts'
import { durationMs } from '../../functions/contract/duration.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Delivery } from '../../functions/store/store.ts'
import { reasonValue } from '../dialog/hangup.ts'
import type { MediaPolicy } from '../media/types.ts'
import type { ForkPolicy } from '../proxy/fork.ts'
import type { Target } from '../proxy/target.ts'
import { canonicalAor } from '../sip/uri.ts'
import type { Call } from './call.ts'
import { challengeHeaders } from './credentials.ts'
import { latin1 } from './request-data.ts'
import { saveBindings } from './save.ts'
import { sendRequest } from './send-request.ts'
import { resolveTargets } from './targets.ts'

/** A promise where the action has to ask the store; the next action waits for it. */
type Done = void | Promise<void>
type Performers = {
  [Name in Action['action']]: (call: Call, action: ActionOf<Name>, work: Work) => Done
}

/** What each action does. `subscribe`, `wait` and `halt` were armed before the first of these. */
const PERFORM: Performers = {
  reply: (call, action) => reply(call, action),
  redirect: (call, action, { event }) => redirect(call, action, event),
  challenge: (call, action) =>
    call.context.respondLocally(action.proxy ? 407 : 401, undefined, {
      headers: challengeHeaders(action, call.parts.nonces),
    }),
  save: (call, action) => saveBindings(call, action),
  remove: (call, action) => removeBindings(call, action),
  fork: (call, action, { event }) => fork(call, action, event),
  cancel: (call, action) => cancel(call, action),
  halt: () => {},
  wait: () => {},
  lookup: (call, action) => call.lookup(action.name, canonicalAor(latin1(action.aor))),
  authorize: (call, action) => call.charge.authorize(action),
  subscribe: () => {},
  unsubscribe: (call, action) => call.suspension.unsubscribe(action.name),
  publish: (call, action) => publish(call, action),
  push: (call, action, { wasSent }) => call.wakes.push(action, wasSent),
  hangup: (call, action) => call.hangUp(action),
  send: (call, action, { event }) => sendRequest(call, action, event),
  annotate: (call, action) => {
    call.annotations ??= new Map()
    for (const [name, value] of Object.entries(action.values)) call.annotations.set(name, value)
  },
}

/** An answer, or the reaction to an event, that is being performed: what is left of it is to be done after a restart, too. */
export interface Work {
  /** Without those that are armed before the others. */
  readonly actions: readonly Action[]
  /** Index of the action that is under way. */
  next: number
  /** What set it off, for targets that it names. */
  readonly event: RouseEvent | undefined
  /** Events that came before it was armed. */
  missed: readonly Delivery[]
  /** When it was first performed, milliseconds since the epoch. */
  readonly begunAt: number
  /** It is performed again after a restart, and its pushes went out before that. */
  readonly wasSent: boolean
}

/** Done once more, they do no harm: no record says that they were done, unless it is written for something else. */
const REPEATABLE: ReadonlySet<Action['action']> = new Set<Action['action']>([
  ...(['reply', 'redirect', 'challenge', 'fork', 'cancel', 'push', 'hangup', 'annotate'] as const),
])

export function isRepeatable({ actions }: Work): boolean {
  return actions.every(({ action }) => REPEATABLE.has(action))
}

/**
 * Performs the actions of one answer in order. Subscriptions and waits are stored first, so that no event is lost between the answer
 * and what it sets off; an event that came in the meantime is delivered last.
 * @param event what set off the invocation or reaction, for targets that it names
 * @returns undefined when everything was done at once
 */
export function perform(call: Call, actions: readonly Action[], event: RouseEvent | undefined): Done {
  const arms = actions.some(isArmed)
  const begun = { next: 0, event, missed: NONE, begunAt: call.parts.clock.now(), wasSent: false }
  const isNoted = call.isStored || (call.parts.callsOutlive && call.context.isOpen && actions.some(takesLong))
  if (!arms && !isNoted) return performFrom(call, { actions, ...begun })
  const work: Work = { actions: actions.filter((action) => !isArmed(action)), ...begun }
  return performStored(call, work, arms ? () => call.suspension.arm(actions) : undefined)
}

/**
 * Performs what a restart must not cut off.
 * @param prepare comes first, and finds the events that were missed
 */
export async function performStored(
  call: Call,
  work: Work,
  prepare: (() => Promise<readonly Delivery[]>) | undefined,
): Promise<void> {
  const { suspension } = call
  suspension.begin(work)
  try {
    if (prepare) work.missed = await prepare()
    await performFrom(call, work)
    for (const delivery of work.missed) call.deliver(delivery)
  } finally {
    suspension.end(work)
  }
}

const NONE: readonly never[] = []

/** Others are asked, whose answer may take longer than the caller can do without a word. */
function takesLong({ action }: Action): boolean {
  return action === 'lookup' || action === 'authorize'
}

/** Performed before all others of an answer, see Suspension.arm. */
function isArmed({ action }: Action): boolean {
  return action === 'wait' || action === 'subscribe' || action === 'halt'
}

function performFrom(call: Call, work: Work): Done {
  for (; work.next < work.actions.length; work.next++) {
    const action = work.actions[work.next]!
    const done = (PERFORM[action.action] as (call: Call, action: Action, work: Work) => Done)(call, action, work)
    if (done) {
      return done.then(() => {
        work.next++
        return performFrom(call, work)
      })
    }
  }
}

function reply(call: Call, action: ActionOf<'reply'>): void {
  const { status, reason, headers, contentType, body } = action
  call.context.respondLocally(status, reason === undefined ? undefined : latin1(reason), {
    headers: headerLines(headers),
    ...(body === undefined ? {} : { body: latin1(body), contentType: contentType ?? 'text/plain;charset=utf-8' }),
  })
}

function redirect(call: Call, action: ActionOf<'redirect'>, event: RouseEvent | undefined): Done {
  return withTargets(call, action.targets, event, (targets) => {
    const headers = targets.map((target): [string, string] => [
      'Contact',
      `<${target.uri}>${target.q === 1 ? '' : `;q=${target.q}`}`,
    ])
    call.context.respondLocally(action.status ?? 302, undefined, { headers })
  })
}

function fork(call: Call, action: ActionOf<'fork'>, event: RouseEvent | undefined): Done {
  if (!call.context.isOpen) return
  const mustRelay = mediaPolicy(action)?.ifAway === 'fail' && call.context.isInvite
  if (mustRelay && !call.parts.proxy.relaysMedia) return call.mediaUnavailable()
  return withTargets(call, action.targets, event, (targets) => {
    // Without the store no contacts are known, which is not to say that nobody is registered.
    if (targets.length === 0 && !call.isLocated) throw new Error(`where ${call.aor} is registered cannot be read now`)
    call.fork(targets, forkPolicy(call, action))
  })
}

function forkPolicy(call: Call, action: ActionOf<'fork'>): ForkPolicy {
  const policy: ForkPolicy = { mode: action.mode ?? 'by-q' }
  if (action.ringFor !== undefined) policy.ringForMs = durationMs(action.ringFor)!
  if (action.noReplyFor !== undefined) policy.noReplyForMs = durationMs(action.noReplyFor)!
  if (action.headers) policy.headers = latin1Edits(action.headers)
  if (action.retryOn) policy.retryOn = action.retryOn
  if (action.finalOn) policy.finalOn = action.finalOn
  if (action.id !== undefined && call.suspension.awaitsFork(action.id)) policy.isAwaited = true
  if (action.id !== undefined) policy.id = action.id
  if (action.onFailed !== undefined) policy.onFailed = action.onFailed
  const media = mediaPolicy(action)
  if (media) policy.media = media
  return policy
}

function mediaPolicy({ media }: ActionOf<'fork'>): MediaPolicy | undefined {
  if (media === undefined) return undefined
  const { ifAway = 'fail', ice, transport } = media === 'rtpengine' ? {} : media
  return { ifAway, ...(ice === undefined ? {} : { ice }), ...(transport === undefined ? {} : { transport }) }
}

function withTargets(
  call: Call,
  targets: ActionOf<'fork'>['targets'],
  event: RouseEvent | undefined,
  go: (targets: Target[]) => void,
): Done {
  const resolved = resolveTargets(targets, {
    store: call.parts.store,
    identity: call.parts.identity,
    bindings: call.location.bindings,
    event,
  })
  if (resolved instanceof Promise) return resolved.then(go)
  go(resolved)
}

function cancel(call: Call, action: ActionOf<'cancel'>): void {
  const { fork: id, contact } = action
  const { context } = call
  if (contact === undefined)
    for (const each of context.forks) if (id === undefined || each.policy.id === id) each.abandon()
  context.cancelOnRequest(action.reason === undefined ? undefined : reasonValue(latin1(action.reason)), (branch) => {
    return (
      (id === undefined || branch.fork.policy.id === id) && (contact === undefined || branch.target.uri === contact)
    )
  })
}

function publish(call: Call, action: ActionOf<'publish'>): void {
  const { clock, ids } = call.parts
  const { type, attributes = {} } = action
  call.parts.publish([{ id: ids.next('event'), type, time: clock.now(), attributes }], call.request.callId)
}

async function removeBindings(call: Call, action: ActionOf<'remove'>): Promise<void> {
  const contact = action.contact === undefined ? undefined : latin1(action.contact)
  call.parts.publish(await call.parts.registrar.remove(latin1(action.aor), contact), call.request.callId)
}

/** Header lines for a response of our own: there is nothing to remove from it. */
export function headerLines(edits: HeaderEdits | undefined): [string, string][] {
  return [...Object.entries(edits?.set ?? {}), ...(edits?.add ?? [])].map(([name, value]) => [name, latin1(value)])
}

function latin1Edits(edits: HeaderEdits): NonNullable<ForkPolicy['headers']> {
  return {
    ...(edits.remove ? { remove: edits.remove } : {}),
    ...(edits.set
      ? { set: Object.fromEntries(Object.entries(edits.set).map(([name, value]) => [name, latin1(value)])) }
      : {}),
    ...(edits.add ? { add: edits.add.map(([name, value]): [string, string] => [name, latin1(value)]) } : {}),
  }
}
