import { CONTRACT, type Invocation } from '../envelope.ts'

/** Messages as they travel, for the documents; a test validates each. */

const AOR = 'sip:bob@example.com'
const PHONE = 'sip:bob@192.0.2.7:5060'

const INVITE: Invocation = {
  specversion: '1.0',
  id: 'inv-7f3a',
  source: '/gateways/gw-1',
  type: 'sip.request',
  subject: 'a84b4c76e66710@192.0.2.1',
  time: '2026-01-05T10:00:00.000Z',
  datacontenttype: 'application/json',
  data: {
    contract: CONTRACT,
    attempt: 1,
    deadline: '2026-01-05T10:00:01.200Z',
    transaction: { id: 'tx-1', rev: 0, seq: 1, state: 'proceeding', branches: [] },
    call: { id: 'a84b4c76e66710@192.0.2.1', callId: 'a84b4c76e66710@192.0.2.1', fromTag: '1928301774', toTag: '' },
    request: {
      method: 'INVITE',
      uri: AOR,
      aor: AOR,
      isLocal: true,
      from: '"Alice" <sip:alice@example.com>;tag=1928301774',
      to: `<${AOR}>`,
      contact: '<sip:alice@192.0.2.1:5060>',
      cseq: 1,
      maxForwards: 70,
      headers: [
        ['Via', 'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds'],
        ['From', '"Alice" <sip:alice@example.com>;tag=1928301774'],
        ['To', `<${AOR}>`],
        ['Call-ID', 'a84b4c76e66710@192.0.2.1'],
        ['CSeq', '1 INVITE'],
        ['Contact', '<sip:alice@192.0.2.1:5060>'],
        ['Max-Forwards', '70'],
        ['Content-Length', '0'],
      ],
      body: '',
    },
    received: { address: '192.0.2.1', port: 5060, transport: 'udp', local: '192.0.2.250:5060', nat: false },
    contacts: [{ uri: PHONE, q: 1, expires: 300, push: true }],
  },
}

const REGISTERED = {
  id: 'event-9',
  type: 'contact.registered',
  time: '2026-01-05T10:00:04.000Z',
  attributes: { aor: AOR, contact: PHONE, instance: 'urn:uuid:6d1f', kind: 'new', expires: '300', gateway: 'gw-1' },
}

const MATCHED: Invocation = {
  ...INVITE,
  id: 'inv-8b21',
  type: 'subscription.matched',
  time: '2026-01-05T10:00:04.003Z',
  data: {
    ...INVITE.data,
    deadline: '2026-01-05T10:00:05.203Z',
    transaction: { ...INVITE.data.transaction, rev: 2, seq: 2 },
    event: REGISTERED,
  },
}

/** By the definition that they are valid by. */
export const EXAMPLES = {
  Invocation: {
    request: { summary: 'alice calls bob', value: INVITE },
    matched: { summary: 'bob’s phone has registered while the call was going on', value: MATCHED },
  },
  Answer: {
    wakeUp: {
      summary: 'Ring what is registered, wake the others, let them join',
      value: {
        actions: [
          {
            action: 'subscribe',
            event: 'contact.registered',
            filter: { aor: AOR },
            actions: [{ action: 'fork', targets: [{ fromEvent: 'contact' }] }],
            for: '30s',
          },
          { action: 'push', aor: AOR },
          { action: 'fork', targets: [PHONE] },
          { action: 'halt', for: '30s' },
        ],
      },
    },
    wait: {
      summary: 'Suspend the call until a phone registers',
      value: {
        actions: [
          {
            action: 'wait',
            name: 'phone',
            any: [{ event: 'contact.registered', filter: { aor: AOR } }],
            timeout: '25s',
          },
          { action: 'push', aor: AOR },
        ],
        context: { waitsFor: 'phone' },
      },
    },
  },
  Manifest: {
    manifest: {
      value: { contract: CONTRACT, routes: [{ method: 'INVITE', path: '/:domain/:user' }], handlers: ['late-fork'] },
    },
  },
  Problem: {
    unauthorized: {
      value: {
        type: 'urn:rouse:problem:request.unauthorized',
        title: 'request.unauthorized',
        status: 401,
        detail: 'no signature matches; check the secret on both sides',
      },
    },
  },
  PushMessage: {
    call: {
      value: {
        id: 'push-1',
        aor: AOR,
        device: 'urn:uuid:6d1f',
        provider: 'fcm',
        purpose: 'call',
        prid: 'the-token-of-the-device',
        param: 'app',
        call: { id: '5b3c1d2e9f', from: 'sip:alice@example.com', to: AOR, displayName: 'Alice' },
        ttlSeconds: 30,
      },
    },
  },
  PushResult: { accepted: { value: { outcome: 'accepted' } } },
} as const
