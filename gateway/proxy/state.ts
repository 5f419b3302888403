import * as z from 'zod/mini'
import type { Binding } from '../../functions/store/store.ts'
import { readMessage } from '../sip/message.ts'
import type { TimerHandle } from '../transaction/timer-queue.ts'
import type { Destination, Flow, Listener, TransportLayer, TransportName } from '../transport/types.ts'
import { Branch, type BranchState } from './branch.ts'
import type { ProxyContext } from './context.ts'
import { Fork, type ForkPolicy } from './fork.ts'
import { listenerName } from './next-hop.ts'
import type { Target } from './target.ts'

/**
 * A response context as plain JSON, so that another process can go on with it: what was decided, what is still to be tried, and
 * each branch with the request as it was sent, octet for octet.
 */

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null
const isText = (value: unknown): boolean => typeof value === 'string'

/** A destination; `listener` by name, `connection` for a flow. */
export const Place = z.object({
  transport: z.custom<TransportName>(isText),
  address: z.string(),
  port: z.number(),
  listener: z.optional(z.string()),
  connection: z.optional(z.number()),
  serverName: z.optional(z.string()),
})
export type Place = z.infer<typeof Place>

/** The binding is without its push parameters: who has to push reads the location service. */
const TargetState = z.object({
  uri: z.string(),
  q: z.number(),
  device: z.string(),
  binding: z.optional(z.custom<Omit<Binding, 'push'>>(isObject)),
})

const ForkState = z.object({
  policy: z.custom<ForkPolicy>(isObject),
  /** Groups that are left. */
  groups: z.array(z.array(TargetState)),
  /** When the group that rings is given up, milliseconds since the epoch. */
  deadline: z.optional(z.number()),
})

const BranchStateRecord = z.object({
  id: z.string(),
  /** Index of its fork. */
  fork: z.number(),
  target: TargetState,
  state: z.custom<BranchState>(isText),
  status: z.number(),
  abandoned: z.boolean(),
  /** Milliseconds since the epoch. */
  startedAt: z.number(),
  rangMs: z.optional(z.number()),
  endedMs: z.optional(z.number()),
  /** The final response of the far end, a failure. */
  final: z.optional(z.string()),
  /** While its transaction lives: the request as sent, and where that stands. */
  sent: z.optional(z.object({ text: z.string(), to: Place, state: z.string(), cancelReason: z.optional(z.string()) })),
  alternatives: z.array(Place),
  /** Where its media is relayed, see MediaSession. */
  media: z.optional(z.string()),
})
export type SentState = NonNullable<z.infer<typeof BranchStateRecord>['sent']>

export const ContextState = z.object({
  finalStatus: z.number(),
  cancelled: z.boolean(),
  nobodyCame: z.boolean(),
  /** Index of the branch whose failure decided; -1 for none. */
  closedBy: z.number(),
  /** To tag of our own responses; '' before one. */
  tag: z.string(),
  forks: z.array(ForkState),
  branches: z.array(BranchStateRecord),
})
export type ContextState = z.infer<typeof ContextState>

/** After a restart no deadline passes sooner, however long it is over: what came before it, and is still on its way, is heard first. */
export const GRACE_MS = 250

/** States of a client transaction in which something may still come of it. */
const LIVE = new Set(['calling', 'holding cancel', 'trying', 'proceeding', 'cancelling'])

export function contextState(context: ProxyContext): ContextState {
  const { finalStatus, cancelled, forks, branches } = context
  return {
    finalStatus,
    cancelled,
    ...context.decided,
    forks: forks.map((fork) => {
      const timer = fork.timer as TimerHandle | undefined
      return {
        policy: fork.policy,
        groups: fork.groups.map((group) => group.map(targetState)),
        ...(timer === undefined ? {} : { deadline: timer.dueMs }),
      }
    }),
    branches: branches.map((branch) => branchState(branch, forks.indexOf(branch.fork))),
  }
}

function branchState(branch: Branch, fork: number): ContextState['branches'][number] {
  const { id, target, state, status, abandoned, startedAt, rangMs, endedMs, final, transaction, alternatives, media } =
    branch
  return {
    id,
    fork,
    target: targetState(target),
    state,
    status,
    abandoned,
    startedAt,
    ...(rangMs < 0 ? {} : { rangMs }),
    ...(endedMs < 0 ? {} : { endedMs }),
    ...(final === undefined || state === 'answered' ? {} : { final: final.text }),
    ...(transaction && LIVE.has(transaction.state)
      ? {
          sent: {
            text: transaction.requestText,
            to: placeOf(transaction.destination),
            state: transaction.state,
            cancelReason: transaction.cancelReason,
          },
        }
      : {}),
    alternatives: alternatives.map(placeOf),
    ...(media?.session && transaction ? { media: media.session.param } : {}),
  }
}

function targetState({ uri, q, device, binding }: Target): z.infer<typeof TargetState> {
  if (!binding) return { uri, q, device }
  const { push: _secret, ...shown } = binding
  return { uri, q, device, binding: shown }
}

/** Goes on with what `contextState` wrote down: branches and timers are alive afterwards, and nothing was sent but repeats. */
export function takeUpContext(context: ProxyContext, state: ContextState, transport: TransportLayer): void {
  const { proxy } = context
  const forks = state.forks.map(
    ({ policy, groups }) =>
      new Fork(
        groups.map((group) => group.map(targetOf)),
        policy,
      ),
  )
  const branches = state.branches.map((record) => branchOf(record, context, forks[record.fork]!, transport))
  for (const fork of forks) fork.branches = branches.filter((branch) => branch.fork === fork)
  context.takeUp(state, forks, branches)
  forks.forEach((fork, index) => {
    const { deadline } = state.forks[index]!
    if (deadline !== undefined) proxy.startForkTimer(fork, context, Math.max(GRACE_MS, deadline - proxy.now()))
  })
  branches.forEach((branch, index) => {
    const { sent } = state.branches[index]!
    if (sent) proxy.takeUp(branch, sent, destinationOf(sent.to, transport))
    else if (branch.isLive && state.finalStatus === 0) proxy.start(branch, undefined)
  })
}

function branchOf(
  record: ContextState['branches'][number],
  context: ProxyContext,
  fork: Fork,
  transport: TransportLayer,
): Branch {
  const branch = new Branch(record.id, context, fork, targetOf(record.target), record.startedAt)
  branch.state = record.state
  branch.status = record.status
  branch.abandoned = record.abandoned
  branch.rangMs = record.rangMs ?? -1
  branch.endedMs = record.endedMs ?? -1
  branch.alternatives = record.alternatives.map((place) => destinationOf(place, transport))
  if (record.media !== undefined && record.sent)
    branch.media = context.proxy.takeUpMedia(record.media, context.request, fork)
  const final = record.final === undefined ? undefined : readMessage(record.final)
  if (final?.ok) branch.final = final.message
  return branch
}

function targetOf({ uri, q, device, binding }: z.infer<typeof TargetState>): Target {
  return { uri, q, device, binding }
}

export function placeOf(destination: Destination): Place {
  const { transport, remoteAddress: address, remotePort: port, listener, connection } = destination
  const serverName = 'serverName' in destination ? destination.serverName : undefined
  return {
    transport,
    address,
    port,
    ...(listener === undefined ? {} : { listener: listenerName(listener) }),
    ...(connection === undefined ? {} : { connection }),
    ...(serverName === undefined ? {} : { serverName }),
  }
}

/** The connection of a flow went with its process: sending over it fails, and what else there is to try is tried. */
export function destinationOf({ connection, serverName, ...place }: Place, transport: TransportLayer): Destination {
  const address = { transport: place.transport, remoteAddress: place.address, remotePort: place.port }
  const listener = listenerOf(place, transport)
  if (listener && connection !== undefined) return { ...address, listener, connection }
  return { ...address, ...(listener && { listener }), ...(serverName !== undefined && { serverName }) }
}

/** How a request came in; undefined when no listener is left that it could be answered from. */
export function flowOf(place: Place, transport: TransportLayer): Flow | undefined {
  const address = { transport: place.transport, remoteAddress: place.address, remotePort: place.port }
  const listener = listenerOf(place, transport) ?? transport.listenerFor(address)
  return listener && { ...address, listener, connection: place.connection ?? 0 }
}

function listenerOf({ listener }: Pick<Place, 'listener'>, transport: TransportLayer): Listener | undefined {
  return transport.listeners.find((own) => listenerName(own) === listener)
}
