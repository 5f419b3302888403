import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RegistrarOptions } from '../../../gateway/registrar/options.ts'
import { planRegister } from '../../../gateway/registrar/plan.ts'
import { flow, OPTIONS, PHONE, registerRequest, START, TABLET, type Wishes } from './support.ts'

function plan(contacts: string[], wishes: Wishes = {}, options: Partial<RegistrarOptions> = {}, aor?: string) {
  return planRegister(registerRequest(contacts, wishes), flow(), { ...OPTIONS, ...options }, START, aor)
}

/** `423 Interval Too Brief (Min-Expires: 60)`, or `accepted`. */
function verdict(planned: ReturnType<typeof plan>): string {
  if (!('refuse' in planned)) return 'accepted'
  const { status, reason, headers } = planned.refuse
  return `${status} ${reason}${headers.map(([name, value]) => ` (${name}: ${value})`).join('')}`
}

function accepted(planned: ReturnType<typeof plan>) {
  assert.ok(!('refuse' in planned), verdict(planned))
  return planned
}

function put(contact: string, wishes: Wishes = {}, options: Partial<RegistrarOptions> = {}) {
  return accepted(plan([contact], wishes, options)).change.put[0]!
}

const EXPIRES = (seconds: string) => ({ headers: [`Expires: ${seconds}`] })
const LONG = 'x'.repeat(2048)

const VERDICTS: [string, string[], Wishes, string][] = [
  ['RG2: * with Expires other than 0', ['*'], EXPIRES('60'), '400 Star Without Expires 0'],
  ['RG2: * without Expires', ['*'], {}, '400 Star Without Expires 0'],
  ['RG2: * with another contact', ['*', PHONE], EXPIRES('0'), '400 Broken Contact'],
  ['RG2: * twice', ['*', '*'], EXPIRES('0'), '400 Broken Contact'],
  ['RG1: * with Expires 0 (10.2.2)', ['*'], EXPIRES('0'), 'accepted'],
  ['RG1: a fetch without Contact (10.2.3)', [], {}, 'accepted'],
  ['RG4: an interval below the minimum', [PHONE], EXPIRES('59'), '423 Interval Too Brief (Min-Expires: 60)'],
  ['RG4: one of two below the minimum', [PHONE, `${TABLET};expires=5`], {}, '423 Interval Too Brief (Min-Expires: 60)'],
  ['RG4: exactly the minimum', [PHONE], EXPIRES('60'), 'accepted'],
  [
    'RG7: more contacts than an AOR may have',
    Array.from({ length: 11 }, (_, at) => `<sip:bob@192.0.2.${at}>`),
    {},
    '403 Too Many Contacts',
  ],
  ['RG7: an oversized contact', [`<sip:${LONG}@192.0.2.1>`], {}, '403 Contact Too Long'],
  ['RG7: an oversized instance', [`${PHONE};+sip.instance="<urn:${'x'.repeat(300)}>"`], {}, '403 Instance Too Long'],
  ['RG7: an oversized AOR', [PHONE], { to: `<sip:${'x'.repeat(600)}@example.com>` }, '403 Address Of Record Too Long'],
  ['RG7: an oversized Call-ID', [PHONE], { callId: 'x'.repeat(600) }, '403 Call-ID Too Long'],
  ['RG7: an oversized Path', [PHONE], { headers: [`Path: <sip:${LONG}@a.example;lr>`] }, '403 Path Too Long'],
  [
    'RG7: too many Path values',
    [PHONE],
    { headers: [`Path: ${Array(17).fill('<sip:a.example;lr>').join(',')}`] },
    '403 Path Too Long',
  ],
  ['RG5: Require: path (RFC 3327)', [PHONE], { headers: ['Require: path', 'Path: <sip:a.example;lr>'] }, 'accepted'],
  ['RG5: a broken Path', [PHONE], { headers: ['Path: nonsense'] }, '400 Broken Path'],
  [
    'an unknown extension (10.3 step 2)',
    [PHONE],
    { headers: ['Require: path, teleport', 'Require: gruu'] },
    '420 Bad Extension (Unsupported: teleport, gruu)',
  ],
  [
    'outbound is not offered (RFC 5626 6)',
    [PHONE],
    { headers: ['Require: outbound'] },
    '420 Bad Extension (Unsupported: outbound)',
  ],
  ['supported extensions that nobody requires', [PHONE], { headers: ['Supported: path, outbound, gruu'] }, 'accepted'],
  ['a foreign domain in To (10.3 step 5)', [PHONE], { to: '<sip:bob@elsewhere.example>' }, '404 Not Found'],
  ['a foreign domain in the Request-URI (10.3 step 1)', [PHONE], { uri: 'sip:elsewhere.example' }, '404 Not Found'],
  ['our host on a port that is not ours', [PHONE], { uri: 'sip:example.com:7070' }, '404 Not Found'],
  ['our host and port, with parameters', [PHONE], { uri: 'sip:example.com:5060;transport=tcp' }, 'accepted'],
  ['To without angle brackets', [PHONE], { to: 'sip:bob@example.com;tag=x' }, 'accepted'],
  ['a tel URI in To', [PHONE], { to: '<tel:+15551234>' }, '400 Broken Address Of Record'],
  ['a broken contact', ['<sip:bob@192.0.2.1'], {}, '400 Broken Contact'],
  ['a contact that is no SIP URI', ['<mailto:bob@example.com>'], {}, '400 Contact Is No SIP URI'],
  ['a contact with a broken port', ['<sip:bob@192.0.2.1:99999>'], {}, '400 Contact Is No SIP URI'],
]

describe('a REGISTER is accepted or refused whole', () => {
  for (const [title, contacts, wishes, expected] of VERDICTS) {
    test(`${title}: ${expected}`, () => assert.equal(verdict(plan(contacts, wishes)), expected))
  }

  test('a save action may name another AOR, of whatever domain', () => {
    const planned = accepted(plan([PHONE], { to: '<sip:x@elsewhere.example>' }, {}, 'sip:Desk@Office.example:5070'))
    assert.equal(planned.change.aor, 'sip:Desk@office.example')
    assert.equal(verdict(plan([PHONE], {}, {}, 'nonsense')), '400 Broken Address Of Record')
  })
})

describe('the address-of-record (RFC 3261 10.3 step 5)', () => {
  for (const to of [
    '<sip:bob@EXAMPLE.com>',
    'Bob <sip:bob@example.com:5060;transport=tcp>',
    '<sips:bob@example.com>',
    '<sip:%62ob@example.com;user=phone>',
    'sip:bob@example.com',
  ]) {
    test(`${to} is sip:bob@example.com`, () =>
      assert.equal(accepted(plan([PHONE], { to })).change.aor, 'sip:bob@example.com'))
  }
})

describe('the interval (RFC 3261 10.2.1.1, 10.3 step 7, 20.10, 20.19)', () => {
  const rows: [string, string, Wishes, Partial<RegistrarOptions>, number][] = [
    ['the parameter wins over the header', `${PHONE};expires=120`, EXPIRES('600'), {}, 120],
    ['the header', PHONE, EXPIRES('600'), {}, 600],
    ['neither', PHONE, {}, {}, 3600],
    ['neither, with a default of its own', PHONE, {}, { defaultExpires: 1800 }, 1800],
    ['a malformed parameter counts as 3600', `${PHONE};expires=soon`, EXPIRES('600'), {}, 3600],
    ['a malformed header counts as 3600', PHONE, EXPIRES('soon'), {}, 3600],
    ['more than the maximum', PHONE, EXPIRES('7200'), {}, 3600],
    ['more than 32 bits', PHONE, EXPIRES('99999999999999'), {}, 3600],
    [
      'a minimum above an hour refuses no hour',
      `${PHONE};expires=3600`,
      {},
      { minExpires: 7200, maxExpires: 9000 },
      3600,
    ],
    ['a device that can be woken', '<sip:bob@192.0.2.1;pn-provider=fcm;pn-prid=t>', EXPIRES('604800'), {}, 604_800],
  ]
  for (const [title, contact, wishes, options, seconds] of rows) {
    test(`${title}: ${seconds} s`, () => assert.equal(put(contact, wishes, options).expiresAt, START + seconds * 1000))
  }

  test('0 removes that contact and leaves the others (10.2.2)', () => {
    const { change } = accepted(plan([`${PHONE};expires=0`, TABLET]))
    assert.deepEqual(change.remove, [{ contact: 'sip:bob@192.0.2.10:5060', device: 'sip|sip:bob@192.0.2.10:5060' }])
    assert.deepEqual(
      change.put.map((binding) => binding.contact),
      ['sip:bob@192.0.2.20:5060'],
    )
  })
})

describe('what a binding holds', () => {
  const qs: [string, number][] = [
    ['', 1],
    [';q=0.7', 0.7],
    [';q=0', 0],
    [';q=1.000', 1],
    [';q=2', 1],
    [';q=high', 1],
    [';q=1e-1', 1],
  ]
  for (const [parameter, q] of qs) {
    test(`q of "${parameter}" is ${q} (20.10)`, () => assert.equal(put(`${PHONE}${parameter}`).q, q))
  }

  test('header parameters as received, without q and expires', () => {
    const contact = `${PHONE} ; q=0.5;methods="INVITE, ACK"; expires = 70 ;+sip.instance="<urn:uuid:1>";mobility`
    assert.equal(put(contact).parameters, ';methods="INVITE, ACK";+sip.instance="<urn:uuid:1>";mobility')
  })

  test('Path, User-Agent, Call-ID, CSeq and the flow', () => {
    const headers = [
      'Path: <sip:edge1.example;lr>, <sip:edge2.example;lr>',
      'Path: <sip:edge3.example;lr>',
      'User-Agent: Phone/1',
    ]
    const binding = put(PHONE, { callId: 'c@1', cseq: 7, headers })
    assert.deepEqual(binding.path, ['<sip:edge1.example;lr>', '<sip:edge2.example;lr>', '<sip:edge3.example;lr>'])
    assert.deepEqual(
      [binding.userAgent, binding.callId, binding.cseq, binding.registeredAt],
      ['Phone/1', 'c@1', 7, START],
    )
    assert.deepEqual(binding.received, {
      transport: 'udp',
      address: '192.0.2.10',
      port: 5060,
      listener: 'udp:198.51.100.1:5060',
      connection: 0,
      gateway: 'gw-a',
      nat: false,
    })
  })

  test('headers of a contact URI are not kept: no Request-URI may have them (19.1.1)', () => {
    assert.equal(put('<sip:bob@192.0.2.1?Subject=x>').contact, 'sip:bob@192.0.2.1')
  })

  test('of two contacts of one device the later counts', () => {
    const instance = ';+sip.instance="<urn:uuid:1>"'
    const { put: bindings } = accepted(plan([`${PHONE}${instance}`, `${TABLET}${instance}`])).change
    assert.deepEqual(
      bindings.map((binding) => binding.contact),
      ['sip:bob@192.0.2.20:5060'],
    )
  })
})

describe('the device key', () => {
  const instance = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>"'
  const key = 'urn:uuid:00000000-0000-1000-8000-aabbccddeeff'
  const rows: [string, string, string][] = [
    ['RG6: instance and reg-id (RFC 5626 6)', `${PHONE};${instance};reg-id=2`, `${key};reg-id=2`],
    ['an instance without reg-id, as linphone sends it', `${PHONE};${instance}`, key],
    ['a reg-id without instance is ignored', `${PHONE};reg-id=2`, 'sip|sip:bob@192.0.2.10:5060'],
    ['a broken reg-id is ignored', `${PHONE};${instance};reg-id=0`, key],
    [
      'the contact, in one spelling',
      '<sip:%62ob@EXAMPLE.net:5070;transport=TCP;ob>',
      'sip|sip:bob@example.net:5070;ob=;transport=tcp',
    ],
    ['an instance wins over a push token', `<sip:bob@192.0.2.1;pn-provider=fcm;pn-prid=secret>;${instance}`, key],
  ]
  for (const [title, contact, expected] of rows) test(title, () => assert.equal(put(contact).device, expected))

  test('the digest of a push token, wherever the phone is (RFC 8599)', () => {
    const first = put('<sip:bob@192.0.2.1:1111;pn-provider=fcm;pn-prid=secret>').device
    assert.match(first, /^push:[\w-]{22}$/)
    assert.equal(put('<sip:bob@192.0.2.9:2222;pn-prid=secret;pn-provider=fcm>').device, first)
    assert.notEqual(put('<sip:bob@192.0.2.1:1111;pn-provider=fcm;pn-prid=other>').device, first)
  })
})

describe('push parameters (RFC 8599)', () => {
  const contact = '<sip:bob@192.0.2.1:5060;pn-provider=fcm;pn-param=project;pn-prid=a%3Ab%2F;transport=udp>'

  test('RG8: taken off the contact, escapes resolved, kept apart', () => {
    const binding = put(contact)
    assert.equal(binding.contact, 'sip:bob@192.0.2.1:5060;transport=udp')
    assert.deepEqual(binding.push, { provider: 'fcm', prid: 'a:b/', param: 'project' })
  })

  test('RG8: Feature-Caps names the provider', () => {
    assert.deepEqual(accepted(plan([contact])).featureCaps, ['*;+sip.pns="fcm"'])
    assert.deepEqual(accepted(plan([PHONE])).featureCaps, [])
  })

  test('RG8: a provider nobody can push through is refused with 555, but not when its contact is removed', () => {
    const options = { pushProviders: ['apns'] }
    const refusal = '555 Push Notification Service Not Supported (Feature-Caps: *;+sip.pns="apns")'
    assert.equal(verdict(plan([contact], {}, options)), refusal)
    assert.equal(verdict(plan([`${contact};expires=0`], {}, options)), 'accepted')
    assert.equal(verdict(plan([contact], {}, { pushProviders: ['apns', 'fcm'] })), 'accepted')
  })

  test('RG8: a provider without prid only asks (4.1.4): announced, nothing to push to', () => {
    const planned = accepted(plan(['<sip:bob@192.0.2.1;pn-provider=apns>']))
    assert.deepEqual(planned.featureCaps, ['*;+sip.pns="apns"'])
    assert.equal(planned.change.put[0]?.push, undefined)
  })

  test('RG8: a provider without value asks which there are', () => {
    const planned = accepted(plan(['<sip:bob@192.0.2.1;pn-provider>'], {}, { pushProviders: ['apns', 'fcm'] }))
    assert.deepEqual(planned.featureCaps, ['*;+sip.pns="apns,fcm"'])
    const any = accepted(plan(['<sip:bob@192.0.2.1;pn-provider=>'], {}, { vapidKey: 'BKey_-1' }))
    assert.deepEqual(any.featureCaps, ['*;+sip.pns="apns,fcm,webpush";+sip.vapid="BKey_-1"'])
  })

  test('a service that lacks the pn-param it needs is refused with 555 (RFC 8599 5.6.1.1)', () => {
    const apns = '<sip:bob@192.0.2.1;pn-provider=apns;pn-prid=t'
    assert.match(verdict(plan([`${apns}>`])), /^555 .*apns,fcm,webpush/)
    assert.equal(put(`${apns};pn-param=TEAM.app>`).push?.param, 'TEAM.app')
    assert.equal(put(`${apns}>`, {}, { paramNeededBy: [] }).push?.prid, 't')
  })

  test('a prid without a provider, and a REGISTER that gives its prid up, are not pushed (4.1.2)', () => {
    for (const parameters of [
      'pn-prid=t',
      'pn-prid=t;pn-param=p',
      'pn-provider=fcm;pn-param=p',
      'pn-provider=fcm;pn-prid=',
    ]) {
      const binding = put(`<sip:bob@192.0.2.1;${parameters}>`)
      assert.deepEqual([binding.push, binding.refresh], [undefined, undefined], parameters)
    }
    assert.deepEqual(accepted(plan(['<sip:bob@192.0.2.1;pn-prid=t>'])).featureCaps, [])
  })

  test('what a proxy on the way has said it pushes is neither pushed, announced nor refused here (5.6.1)', () => {
    for (const caps of ['*;+sip.pns="apns,fcm"', '<sip:proxy.example>;+sip.pns="FCM";+sip.pnsreg="130"']) {
      const options = { pushProviders: ['apns'] }
      const planned = accepted(plan([contact], { headers: [`Feature-Caps: ${caps}`] }, options))
      assert.deepEqual([planned.featureCaps, planned.change.put[0]!.push], [[], undefined], caps)
      assert.ok(!planned.change.put[0]!.contact.includes('pn-'))
    }
    const other = accepted(plan([contact], { headers: ['Feature-Caps: *;+sip.pns="apns"', 'Feature-Caps: *'] }))
    assert.deepEqual(other.change.put[0]!.push?.provider, 'fcm')
  })

  test('an interval too brief is answered with the services there are (5.6.1)', () => {
    assert.equal(
      verdict(plan([contact], EXPIRES('5'), { pushProviders: ['fcm'] })),
      '423 Interval Too Brief (Min-Expires: 60) (Feature-Caps: *;+sip.pns="fcm")',
    )
  })

  test('web push is announced with the public key it needs (RFC 8292), other services without', () => {
    const options = { vapidKey: 'BKey' }
    const web = '<sip:bob@192.0.2.1;pn-provider=webpush;pn-prid=https%3A%2F%2Fpush.example%2F1>'
    assert.deepEqual(accepted(plan([web], {}, options)).featureCaps, ['*;+sip.pns="webpush";+sip.vapid="BKey"'])
    assert.deepEqual(accepted(plan([contact], {}, options)).featureCaps, ['*;+sip.pns="fcm"'])
  })

  test('a device that wakes by itself is told when to, more than 120 s before its expiry (4.1.4)', () => {
    const caps = (expires: string, written = `${contact};+sip.pnsreg`) =>
      accepted(plan([written], EXPIRES(expires))).featureCaps
    assert.deepEqual(caps('3600'), ['*;+sip.pns="fcm";+sip.pnsreg="1200"'])
    assert.deepEqual(caps('240'), ['*;+sip.pns="fcm";+sip.pnsreg="160"'])
    assert.deepEqual(caps('180'), ['*;+sip.pns="fcm"'], 'there is no time for that: it is pushed')
    assert.deepEqual(caps('3600', contact), ['*;+sip.pns="fcm"'])
    assert.deepEqual(caps('3600', `${PHONE};+sip.pnsreg`), [])
  })

  test('a device is told the name that wakes it within a dialog, one of its own (6)', () => {
    const purr = (aor: string, device: string) => `${aor.length}-${device.slice(-3)}`
    const two = ['1', '2'].map((id) => `${contact};+sip.instance="<urn:uuid:00${id}>"`)
    assert.deepEqual(accepted(plan(two, {}, { purr })).featureCaps, [
      '*;+sip.pns="fcm";+sip.pnspurr="19-001"',
      '*;+sip.pns="fcm";+sip.pnspurr="19-002"',
    ])
  })

  test('a push is due some time before the expiry, what wakes by itself has time until then', () => {
    const refreshOf = (expires: string, more = '') => {
      const { refresh, expiresAt } = put(contact + more, EXPIRES(expires))
      return (expiresAt - refresh!.at) / 1000
    }
    for (const [expires, least, most] of [
      ['3600', 600, 960],
      ['600', 200, 260],
      ['60', 20, 26],
    ] as const) {
      const before = refreshOf(expires)
      assert.ok(before >= least && before <= most, `${before} s before the expiry of ${expires} s`)
    }
    const late = refreshOf('604800', ';+sip.pnsreg')
    assert.ok(late >= 600 && late < 1200, `${late} s`)
    assert.equal(put(contact, {}, { refreshLead: 0 }).refresh, undefined)
  })

  test('a device that unregisters with pn-keep is to be kept for as long as a push contact may stay', () => {
    const uri = contact.replace('>', ';pn-keep>')
    const { change } = accepted(plan([uri], EXPIRES('0')))
    const kept = { contact: 'sip:bob@192.0.2.1:5060;transport=udp', keepUntil: START + 604_800_000 }
    assert.deepEqual(change.remove, [{ ...kept, device: put(contact).device }])
    assert.ok(!JSON.stringify(accepted(plan([contact], EXPIRES('0'))).change.remove).includes('keepUntil'))
  })

  test('a token is in nothing but `push`, however the contact is written', () => {
    const contacts = [
      '<sip:bob@192.0.2.1;PN-PRID=secret;pn-tok=secret;pn-provider=fcm>',
      'sip:bob@192.0.2.1;pn-prid=secret;pn-provider=fcm',
      '<sip:bob@192.0.2.1>;pn-prid="secret";PN-Tok=secret',
    ]
    for (const written of contacts) {
      const { push, ...rest } = put(written)
      assert.ok(!JSON.stringify(rest).includes('secret'), written)
      assert.ok(push === undefined || push.prid === 'secret')
    }
  })

  test('an escaped line end in a token stays escaped', () => {
    assert.equal(put('<sip:bob@192.0.2.1;pn-provider=fcm;pn-prid=a%0D%0Ab>').push?.prid, 'a%0D%0Ab')
    assert.equal(put('<sip:bob@192.0.2.1;pn-provider=fcm;pn-prid=100%>').push?.prid, '100%')
  })
})
