import type { Action } from '../../../functions/contract/actions.ts'

/** Answers that are valid, and what is wrong with others. */

export const AOR = 'sip:bob@example.com'

/** One answer for each action, with every field. */
export const EVERY_ACTION: Record<Action['action'], Record<string, unknown>> = {
  reply: { status: 486, reason: 'Busy', headers: { add: [['X-A', '1']] }, contentType: 'text/plain', body: 'x' },
  redirect: { targets: [AOR], status: 302 },
  challenge: { realm: 'example.com', algorithms: ['MD5'], proxy: true, stale: false },
  save: { aor: AOR, minExpires: '60s', maxExpires: 3_600_000, maxContacts: 5 },
  remove: { aor: AOR, contact: 'sip:bob@192.0.2.7' },
  fork: {
    targets: [AOR, { uri: 'sip:bob@192.0.2.7', q: 0.5, aor: AOR }],
    mode: 'by-q',
    ringFor: '20s',
    noReplyFor: 500,
    headers: { remove: ['X-B'], set: { 'X-C': '' }, add: [['X-D', 'é']] },
    retryOn: [486],
    finalOn: [],
    id: 'desk',
    onFailed: 'failed',
    media: { engine: 'rtpengine', ifAway: 'pass', ice: 'remove', transport: 'RTP/AVP' },
  },
  cancel: { fork: 'desk', contact: 'sip:bob@192.0.2.7', reason: 'Elsewhere' },
  halt: { for: '30s' },
  wait: {
    name: 'w',
    any: [{ event: 'dtmf', filter: { digit: ['1', 2] } }, { fork: 'desk' }],
    timeout: '5s',
    resume: 'handler',
  },
  lookup: { name: 'l', aor: AOR },
  authorize: {
    name: 'a',
    account: '1001',
    subject: 's',
    destination: '1002',
    category: 'call',
    tenant: 'cgrates.org',
    requestType: 'postpaid',
    fields: { Trunk: 'x' },
  },
  subscribe: { event: 'contact.*', filter: { aor: AOR }, name: 's', handler: 'h', for: '1h', until: 'ended' },
  unsubscribe: { name: 's' },
  publish: { type: 'pickup', attributes: { by: 'carol', n: 1, b: true } },
  push: { aor: AOR, data: { why: 'call' } },
  hangup: { reason: 'fax', status: 603, via: 'freeswitch', cause: 'CALL_REJECTED' },
  send: { method: 'NOTIFY', target: AOR, from: AOR, headers: {}, contentType: 'text/plain', body: '' },
  annotate: { values: { tenant: 'acme' } },
}

/** Actions of answers that are refused. */
export const FAULTS: readonly [what: string, actions: unknown[], pointer: string, detail: string][] = [
  [
    'an engine for media that is none',
    [{ action: 'fork', targets: [AOR], media: 'rtpproxy' }],
    '/actions/0/media',
    'actions[0].media: expected "rtpengine" or an object',
  ],
  [
    'a profile that media cannot be offered in',
    [{ action: 'fork', targets: [AOR], media: { engine: 'rtpengine', transport: 'RTP/AVP\r\n' } }],
    '/actions/0/media/transport',
    'actions[0].media.transport: expected one of',
  ],
  [
    'who is to hang up and is nobody',
    [{ action: 'hangup', via: 'asterisk' }],
    '/actions/0/via',
    'actions[0].via: expected "freeswitch"',
  ],
  [
    'a cause that would be a command',
    [{ action: 'hangup', via: 'freeswitch', cause: 'X\n\napi shutdown' }],
    '/actions/0/cause',
    'actions[0].cause: expected a cause such as NORMAL_CLEARING',
  ],
  [
    'an unknown action',
    [{ action: 'frok' }],
    '/actions/0/action',
    'actions[0].action: unknown action "frok"; known are reply,',
  ],
  ['an action without a name', [{}], '/actions/0/action', 'actions[0].action: is missing'],
  ['no action at all', [null], '/actions/0', 'actions[0]: expected an object, got null'],
  [
    'a header of the gateway’s',
    [fork({ set: { Via: 'x' } })],
    '/actions/0/headers/set/Via',
    'actions[0].headers.set: "Via" belongs to the gateway',
  ],
  [
    'a header of the gateway’s in compact form',
    [fork({ remove: ['v'] })],
    '/actions/0/headers/remove/0',
    'actions[0].headers.remove[0]: "v" belongs to the gateway',
  ],
  [
    'a header of the gateway’s that is added',
    [fork({ add: [['CSEQ', '1 INVITE']] })],
    '/actions/0/headers/add/0/0',
    'actions[0].headers.add[0][0]: "CSEQ" belongs to the gateway',
  ],
  [
    'CR and LF in a header value: told without it',
    [fork({ set: { 'X-A': 'key\r\nVia: y' } })],
    '/actions/0/headers/set/X-A',
    'actions[0].headers.set.X-A: a header value may not hold CR, LF or NUL',
  ],
  [
    'a header name that is none',
    [fork({ set: { 'X A': 'b' } })],
    '/actions/0/headers/set/X A',
    'actions[0].headers.set: "X A" is not a name that may be used here: expected a header name',
  ],
  [
    'the second target, no URI',
    [{ action: 'fork', targets: [AOR, 'bob'] }],
    '/actions/0/targets/1',
    'actions[0].targets[1]: expected a sip:, sips: or tel: URI, got "bob"',
  ],
  [
    'a URI that would end its header',
    [{ action: 'fork', targets: [{ uri: 'sip:a@b>\r\nX: y' }] }],
    '/actions/0/targets/0/uri',
    'actions[0].targets[0].uri: expected a sip:, sips: or tel: URI, got "sip:a@b>\\r\\nX: y"',
  ],
  [
    'a target of another kind',
    [{ action: 'fork', targets: [7] }],
    '/actions/0/targets/0',
    'actions[0].targets[0]: expected a string or an object, got 7',
  ],
  ['targets that are missing', [{ action: 'fork' }], '/actions/0/targets', 'actions[0].targets: is missing'],
  [
    'a duration without unit',
    [{ action: 'halt', for: '30' }],
    '/actions/0/for',
    'actions[0].for: expected milliseconds or a string such as "30s", "500ms", "2m", at most 24h, got "30"',
  ],
  [
    'a duration that is too long',
    [{ action: 'halt', for: '25h' }],
    '/actions/0/for',
    'actions[0].for: expected milliseconds',
  ],
  [
    'a status that is none',
    [{ action: 'reply', status: 100 }],
    '/actions/0/status',
    'actions[0].status: expected at least 101, got 100',
  ],
  [
    'a status with a fraction',
    [{ action: 'reply', status: 486.5 }],
    '/actions/0/status',
    'actions[0].status: expected a whole number',
  ],
  [
    'a filter on what the event does not have',
    [{ action: 'subscribe', event: 'dtmf', filter: { caller: 'x' }, handler: 'h' }],
    '/actions/0/filter/caller',
    'actions[0].filter.caller: dtmf has no attribute "caller"; it has callId, digit, duration, source',
  ],
  [
    'a filter of a wait, on a family',
    [
      {
        action: 'wait',
        name: 'w',
        timeout: 1,
        any: [{ event: 'pickup' }, { event: 'contact.*', filter: { digit: '1' } }],
      },
    ],
    '/actions/0/any/1/filter/digit',
    'actions[0].any[1].filter.digit: contact.* has no attribute "digit"',
  ],
  [
    'a published event with an attribute that its type does not have',
    [{ action: 'publish', type: 'dtmf', attributes: { callId: 'a', digits: '5' } }],
    '/actions/0/attributes/digits',
    'actions[0].attributes.digits: dtmf has no attribute "digits"; it has callId, digit, duration, source',
  ],
  [
    'an empty value of a filter',
    [{ action: 'subscribe', event: 'dtmf', filter: { digit: '' }, handler: 'h' }],
    '/actions/0/filter/digit',
    'actions[0].filter.digit: expected something, got ""',
  ],
  [
    'a subscription without reaction',
    [{ action: 'subscribe', event: 'dtmf' }],
    '/actions/0',
    'actions[0]: expected either a handler or actions',
  ],
  [
    'a subscription with two',
    [{ action: 'subscribe', event: 'dtmf', handler: 'h', actions: [{ action: 'hangup' }] }],
    '/actions/0',
    'actions[0]: expected either a handler or actions',
  ],
  [
    'a body that is no text',
    [{ action: 'reply', status: 200, body: 3 }],
    '/actions/0/body',
    'actions[0].body: expected a string',
  ],
]

/** Actions that are refused in an inline reaction to `contact.registered`. */
export const REACTION_FAULTS: readonly [action: Record<string, unknown>, pointer: string][] = [
  [{ action: 'fork', targets: ['bob'] }, '/actions/0/actions/0/targets/0'],
  [{ action: 'fork', targets: [{ fromEvent: 'contcat' }] }, '/actions/0/actions/0/targets/0/fromEvent'],
  [{ action: 'fork', targets: [{ fromEvent: 7 }] }, '/actions/0/actions/0/targets/0/fromEvent'],
  [
    { action: 'fork', targets: [], headers: { set: { Via: { fromEvent: 'contact' } } } },
    '/actions/0/actions/0/headers/set/Via',
  ],
  [{ action: 'reply', status: { fromEvent: 'expires' } }, '/actions/0/actions/0/status'],
  [{ action: 'publish', type: 'dtmf', attributes: { digits: '5' } }, '/actions/0/actions/0/attributes/digits'],
]

function fork(headers: unknown) {
  return { action: 'fork', targets: [AOR], headers }
}
