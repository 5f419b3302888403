import type { ActionOf } from '../../functions/contract/actions.ts'
import type { PushMessage, PushResult } from '../../functions/contract/push.ts'
import type { Binding } from '../../functions/store/store.ts'
import { canonicalAor } from '../sip/uri.ts'
import type { Call } from './call.ts'
import { latin1, utf8 } from './request-data.ts'

/** How long a push for a call is worth delivering, in seconds. */
const TTL_SECONDS = 30

/**
 * Wakes the devices of an AOR that can be pushed and do not ring already, each once for a call. Does not wait for the provider: what
 * it says becomes an event.
 * @param wasSent before a restart: whom it went to is noted, and nothing is sent
 */
export async function pushDevices(call: Call, action: ActionOf<'push'>, wasSent: boolean): Promise<void> {
  if (!call.context.isOpen) return
  for (const binding of await call.bindingsOf(canonicalAor(latin1(action.aor)))) {
    if (!binding.push || call.pushed.includes(binding.device) || rings(call, binding)) continue
    call.pushed.push(binding.device)
    if (wasSent) continue
    call.note(`pushed ${binding.contact}`)
    void call.parts.push.send(messageFor(call, binding, action.data)).then(
      (result) => report(call, binding, result),
      (error: unknown) => report(call, binding, { outcome: 'failed', error: String(error) }),
    )
  }
}

function rings(call: Call, binding: Binding): boolean {
  return call.context.branches.some((branch) => branch.target.device === binding.device && branch.state === 'ringing')
}

function messageFor(call: Call, binding: Binding, data: Record<string, string> | undefined): PushMessage {
  const { request } = call
  const push = binding.push!
  const display = utf8(request.from?.display ?? '')
  return {
    id: call.parts.ids.next('push'),
    aor: binding.aor,
    device: binding.device,
    provider: push.provider,
    prid: push.prid,
    param: push.param,
    purpose: 'call',
    call: {
      id: call.id,
      from: request.from?.uri ?? '',
      to: call.uri,
      ...(display ? { displayName: display } : {}),
    },
    ttlSeconds: TTL_SECONDS,
    ...(data ? { data } : {}),
  }
}

function report(call: Call, binding: Binding, result: PushResult): void {
  const { clock, ids, publish, log } = call.parts
  const provider = binding.push?.provider ?? ''
  log.info('push', {
    callId: call.request.callId,
    aor: binding.aor,
    provider,
    outcome: result.outcome,
    error: result.error,
  })
  publish([
    {
      id: ids.next('event'),
      type: `push.${result.outcome}`,
      time: clock.now(),
      attributes: { aor: binding.aor, contact: binding.contact, provider, error: result.error ?? '' },
    },
  ])
}
