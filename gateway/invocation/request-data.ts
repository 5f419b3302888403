import type { EventData, InvocationData } from '../../functions/contract/envelope.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import { contactUri } from '../dialog/dialog.ts'
import type { SipMessage } from '../sip/message.ts'
import { withoutPush } from '../sip/push-params.ts'
import type { Flow } from '../transport/types.ts'
import { isoTime } from './iso-time.ts'

/** How SIP looks in the JSON contract: octets become UTF-8 text, tokens of push providers are left out. */

export function requestData(
  request: SipMessage,
  uri: string,
  aor: string,
  isLocal: boolean,
): InvocationData['request'] {
  const isAscii = onlyAscii(request.text)
  const body = isAscii ? request.body : utf8(request.body)
  return {
    method: request.method,
    uri: withoutPush(isAscii ? uri : (utf8(uri) ?? uri)),
    aor,
    isLocal,
    from: headerText(request, 'From', isAscii),
    to: headerText(request, 'To', isAscii),
    contact: withoutPush(contactUri(request)),
    cseq: request.cseq?.number ?? 0,
    maxForwards: request.maxForwards ?? 70,
    headers: shownHeaders(request, isAscii),
    body: body ?? '',
    ...(body === undefined ? { bodyBase64: Buffer.from(request.body, 'latin1').toString('base64') } : {}),
  }
}

/** Every header in order; credentials stay with the gateway, and nothing is shown with the push parameters of a phone. */
function shownHeaders(request: SipMessage, isAscii: boolean): [string, string][] {
  const headers = request.all()
  const hasSecrets =
    withoutPush(request.text) !== request.text ||
    request.header('Authorization') !== undefined ||
    request.header('Proxy-Authorization') !== undefined
  if (!hasSecrets) return isAscii ? headers : headers.map(([name, value]) => [name, utf8(value) ?? value])
  const shown: [string, string][] = []
  for (const [name, value] of headers) {
    const lower = name.toLowerCase()
    if (lower === 'authorization' || lower === 'proxy-authorization') continue
    const plain = withoutPush(value)
    shown.push([name, isAscii ? plain : (utf8(plain) ?? plain)])
  }
  return shown
}

export function receivedData(flow: Flow, nat: boolean): InvocationData['received'] {
  return {
    address: flow.remoteAddress,
    port: flow.remotePort,
    transport: flow.transport,
    local: `${flow.listener.address}:${flow.listener.port}`,
    nat,
  }
}

export function eventData({ id, type, time, attributes, detail }: RouseEvent): EventData {
  return { id, type, time: isoTime(time), attributes, ...(detail && { detail }) }
}

/** Text of octets kept as latin1; undefined when they are not UTF-8. */
export function utf8(latin1: string): string | undefined {
  try {
    return decoder.decode(Buffer.from(latin1, 'latin1'))
  } catch {
    return undefined
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true })

/** Octets, as latin1 text, of text that came from a function. */
export function latin1(text: string): string {
  return onlyAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

function onlyAscii(text: string): boolean {
  return !/[^\0-\x7f]/.test(text)
}

function headerText(request: SipMessage, name: string, isAscii: boolean): string {
  const value = withoutPush(request.header(name) ?? '')
  return isAscii ? value : (utf8(value) ?? value)
}
