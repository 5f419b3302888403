import type { Invocation, InvocationData, InvocationType } from '../contract/envelope.ts'

/** Invocations as a gateway makes them, with readable defaults: alice calls bob. */

export interface InvocationParts {
  type?: InvocationType
  id?: string
  /** ISO time of the invocation. */
  time?: string
  data?: Partial<InvocationData>
  request?: Partial<InvocationData['request']>
  transaction?: Partial<InvocationData['transaction']>
}

export function invocation({ type, id, time, data, request, transaction }: InvocationParts = {}): Invocation {
  return {
    specversion: '1.0',
    id: id ?? 'inv-1',
    source: 'urn:rouse:gateway:test',
    type: type ?? 'sip.request',
    time: time ?? '2026-01-05T10:00:00.000Z',
    datacontenttype: 'application/json',
    data: {
      contract: 1,
      attempt: 1,
      deadline: '2026-01-05T10:00:02.500Z',
      transaction: { id: 'tx-1', rev: 0, seq: 0, state: 'proceeding', branches: [], ...transaction },
      call: { id: 'call-1@alice', callId: 'call-1@alice', fromTag: 'a1', toTag: '' },
      request: {
        method: 'INVITE',
        uri: 'sip:bob@example.com',
        aor: 'sip:bob@example.com',
        from: '"Alice" <sip:alice@example.com>;tag=a1',
        to: '<sip:bob@example.com>',
        contact: '<sip:alice@192.0.2.1:5060>',
        cseq: 1,
        maxForwards: 70,
        headers: [
          ['Via', 'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1'],
          ['Subject', 'first'],
          ['s', 'second'],
        ],
        body: '',
        ...request,
      },
      received: { address: '192.0.2.1', port: 5060, transport: 'udp', local: '192.0.2.250:5060', nat: false },
      contacts: [],
      ...data,
    },
  }
}
