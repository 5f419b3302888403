import type { ActionOf } from '../../functions/contract/actions.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import { nextHopOf } from '../proxy/next-hop.ts'
import { firstDestination, viaPrefix } from '../proxy/proxy.ts'
import type { Target } from '../proxy/target.ts'
import { buildRequest } from '../sip/build.ts'
import { deaf } from '../transaction/deaf.ts'
import type { Call } from './call.ts'
import { headerLines } from './perform.ts'
import { latin1 } from './request-data.ts'
import { resolveTargets } from './targets.ts'

/** A new request outside of any dialog to every place the target stands for. */
export async function sendRequest(call: Call, action: ActionOf<'send'>, event: RouseEvent | undefined): Promise<void> {
  const { store, identity } = call.parts
  const targets = await resolveTargets([action.target], { store, identity, bindings: call.location.bindings, event })
  for (const target of targets) await sendTo(call, action, target)
}

async function sendTo(call: Call, action: ActionOf<'send'>, target: Target): Promise<void> {
  const { transactions, transport, locator, ids } = call.parts.hangup
  const { peers } = call.parts
  const hop = nextHopOf(target, { uri: target.uri, drop: 0, dropLast: false, next: undefined, count: 0 }, false, {
    transport,
    peers,
  })
  const destination = hop.to ?? (await firstDestination(hop.locateUri, locator))
  const listener = destination && transport.listenerFor(destination)
  if (!destination || !listener) {
    call.parts.log.warn('send: the target cannot be reached', { callId: call.request.callId, target: target.uri })
    return
  }
  const branch = `z9hG4bK${ids.next('branch')}`
  const host = `${listener.advertisedHost}:${listener.advertisedPort}`
  const text = buildRequest({
    method: action.method,
    uri: hop.uri,
    via: viaPrefix(listener) + branch,
    from: `<${latin1(action.from ?? `sip:rouse@${host}`)}>;tag=${ids.next('tag')}`,
    to: `<${target.uri}>`,
    callId: ids.next('call'),
    cseq: 1,
    ...(hop.addRoutes ? { routes: hop.addRoutes } : {}),
    headers: headerLines(action.headers),
    ...(action.body === undefined
      ? {}
      : { body: latin1(action.body), contentType: action.contentType ?? 'text/plain;charset=utf-8' }),
  })
  transactions.request({ text, method: action.method, branch, destination, context: undefined }, deaf)
}
