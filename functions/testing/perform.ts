import type { Action, ActionOf, HeaderEdits } from '../contract/actions.ts'
import { durationMs } from '../contract/duration.ts'
import type { RouseEvent } from '../contract/events.ts'
import { aorOf } from '../contract/uri/uri.ts'
import type { ForkPolicy, Target } from './branch.ts'
import type { RoutedCall } from './routed-call.ts'
import { resolveTargets } from './targets.ts'

type Performers = {
  [Name in Action['action']]: (call: RoutedCall, action: ActionOf<Name>, event: RouseEvent | undefined) => unknown
}

/** What each action does. `subscribe`, `wait` and `halt` were armed before the first of these. */
const PERFORM: Performers = {
  reply: (call, { status, reason, headers, contentType, body = '' }) => {
    const type: [string, string][] = body === '' ? [] : [['Content-Type', contentType ?? 'text/plain;charset=utf-8']]
    call.context.respond(status, reason, { headers: [...headerLines(headers), ...type], body })
  },
  redirect: async (call, { targets, status }, event) => {
    const contacts = (await targetsOf(call, targets, event)).map(({ uri, q }): [string, string] => [
      'Contact',
      `<${uri}>${q === 1 ? '' : `;q=${q}`}`,
    ])
    call.context.respond(status ?? 302, undefined, { headers: contacts })
  },
  challenge: (call, action) =>
    call.context.respond(action.proxy ? 407 : 401, undefined, { headers: challengeHeaders(call, action) }),
  save: (call, action) => call.save(action),
  remove: (call, { aor, contact }) => call.simulation.removes(aor, contact),
  fork: async (call, action, event) => {
    if (call.context.isOpen) call.context.fork(await targetsOf(call, action.targets, event), forkPolicy(call, action))
  },
  cancel: (call, { fork: id, contact }) => {
    const { context } = call
    if (contact === undefined)
      for (const fork of context.forks) if (id === undefined || fork.policy.id === id) fork.abandon()
    context.cancelOnRequest(
      ({ fork, target }) =>
        (id === undefined || fork.policy.id === id) && (contact === undefined || target.uri === contact),
    )
  },
  halt: () => {},
  wait: () => {},
  lookup: (call, { name, aor }) => call.lookup(name, aorOf(aor)),
  authorize: (call, action) => call.authorize(action),
  subscribe: () => {},
  unsubscribe: (call, { name }) => call.suspension.unsubscribe(name),
  publish: (call, { type, attributes }) => call.simulation.raise(type, attributes ?? {}),
  push: (call, action) => call.push(action),
  hangup: (call, action) => call.hangUp(action),
  send: async (call, { action: _, target, ...request }, event) => {
    for (const { uri } of await targetsOf(call, [target], event)) call.sent.push({ ...request, uri })
  },
  annotate: (call, { values }) => void Object.assign(call.annotations, values),
}

/** Performs the actions of one answer in order: what is subscribed to and waited for is stored first, and missed events come last. */
export async function perform(call: RoutedCall, actions: readonly Action[], event: RouseEvent | undefined) {
  call.actions.push(...actions)
  const arms = actions.filter(isArmed)
  for (const action of arms) if (action.action === 'halt') call.halt(durationMs(action.for)!)
  const missed = arms.length > 0 ? await call.suspension.arm(arms) : []
  for (const action of actions) {
    await (PERFORM[action.action] as (call: RoutedCall, action: Action, event: RouseEvent | undefined) => unknown)(
      call,
      action,
      event,
    )
  }
  for (const delivery of missed) call.suspension.deliver(delivery)
}

function isArmed({ action }: Action): boolean {
  return action === 'wait' || action === 'subscribe' || action === 'halt'
}

function targetsOf(
  { simulation, bindings }: RoutedCall,
  targets: ActionOf<'fork'>['targets'],
  event: RouseEvent | undefined,
): Promise<Target[]> {
  const { store } = simulation
  return resolveTargets(targets, { store, bindings, event, isLocal: (host) => simulation.isLocal(host) })
}

function forkPolicy({ suspension }: RoutedCall, action: ActionOf<'fork'>): ForkPolicy {
  const { id, onFailed, headers, retryOn, finalOn, ringFor, noReplyFor } = action
  return {
    mode: action.mode ?? 'by-q',
    ringForMs: ringFor === undefined ? undefined : durationMs(ringFor),
    noReplyForMs: noReplyFor === undefined ? undefined : durationMs(noReplyFor),
    headers,
    retryOn,
    finalOn,
    isAwaited: id !== undefined && suspension.awaitsFork(id),
    id,
    onFailed,
  }
}

function headerLines(edits: HeaderEdits | undefined): [string, string][] {
  return [...Object.entries(edits?.set ?? {}), ...(edits?.add ?? [])]
}

function challengeHeaders({ simulation }: RoutedCall, challenge: ActionOf<'challenge'>): [string, string][] {
  const { proxy, realm, stale, algorithms = ['SHA-256', 'MD5'] } = challenge
  const nonce = simulation.ids.next('nonce')
  const name = proxy ? 'Proxy-Authenticate' : 'WWW-Authenticate'
  const suffix = stale ? ', stale=true' : ''
  return algorithms.map((algorithm) => [
    name,
    `Digest realm="${realm}", nonce="${nonce}", algorithm=${algorithm}, qop="auth"${suffix}`,
  ])
}
