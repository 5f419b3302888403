import type { CallDetail, CallSummary } from '../api/types.ts'
import { withoutPush } from '../sip/push-params.ts'
import { branchData, type Call } from './call.ts'
import type { Subscription, Wait } from './interests.ts'

const NONE = { waits: new Map<string, Wait>(), subscriptions: new Map<string, Subscription>() }

/** One line about a call, for people who look. */
export function callSummary(call: Call): CallSummary & Record<string, unknown> {
  return {
    id: call.id,
    callId: call.request.callId,
    method: call.request.method,
    from: withoutPush(call.request.from?.uri ?? ''),
    to: withoutPush(call.uri),
    state: stateOf(call),
    startedAt: new Date(call.startedAt).toISOString(),
    status: call.context.finalStatus,
    annotations: Object.fromEntries(call.annotations ?? []),
  }
}

/** The same with its branches, what it waits for, and what happened. */
export function callDetail(call: Call): CallDetail {
  const { waits, subscriptions } = call.interests ?? NONE
  return {
    ...callSummary(call),
    branches: call.context.branches.map(branchData),
    waiting: [
      ...[...waits.values()].map(({ name, forks, events }) => ({ wait: name, events, forks })),
      ...[...subscriptions.values()].map(({ action, fired, expiresAt }) => ({
        event: action.event,
        filter: action.filter ?? {},
        handler: action.handler ?? null,
        fired,
        expiresAt: new Date(expiresAt).toISOString(),
      })),
    ],
    timeline: call.telling.timeline.map(({ at, ...entry }) => ({ at: new Date(at).toISOString(), ...entry })),
  }
}

function stateOf(call: Call): string {
  if (call.dialogs.length > 0) return 'answered'
  if (call.context.finalStatus !== 0) return 'ended'
  return (call.interests?.waits.size ?? 0) > 0 || call.isHalted ? 'suspended' : 'proceeding'
}
