import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodedHeader } from '../../../functions/ingress/cloud-event.ts'
import { accepted, ingress, NOW, problemOf, TOKEN } from './harness.ts'

const STRUCTURED = { 'content-type': 'application/cloudevents+json; charset=utf-8' }
const BATCH = { 'content-type': 'application/cloudevents-batch+json' }

const EVENT = {
  specversion: '1.0',
  id: '7',
  source: '/crm',
  type: 'pickup',
  time: '2024-01-01T00:00:00+01:00',
  datacontenttype: 'application/json',
  someextension: 'x',
  data: { user: 'bob' },
}

describe('POST /events', () => {
  test('takes { type, attributes } and answers 202 with the id and how many it matched', async () => {
    const { post, published, lines, results } = ingress()
    const attributes = { user: 'bob', urgent: true, floor: 3 }
    assert.deepEqual(await accepted(await post({ type: 'pickup', attributes })), { id: 'event1', matched: 2 })
    assert.deepEqual(published, [{ id: 'event1', type: 'pickup', time: NOW, attributes }])
    assert.deepEqual(lines, [
      {
        level: 'info',
        message: 'POST /events',
        fields: { eventId: 'event1', type: 'pickup', matched: 2, sender: 'this machine' },
      },
    ])
    assert.deepEqual(results, ['accepted'])
  })

  test('takes a predefined type too: integrators raise them, tests simulate them', async () => {
    const { post, published } = ingress()
    await accepted(await post({ type: 'dtmf', attributes: { callId: 'a@b', digit: '5' } }))
    assert.equal(published[0]!.type, 'dtmf')
  })

  test('takes a CloudEvent in structured mode; source and id make the id (CloudEvents 1.0, 3.1)', async () => {
    for (const headers of [STRUCTURED, {}]) {
      const { post, published } = ingress()
      assert.deepEqual(await accepted(await post(EVENT, headers)), { id: '/crm#7', matched: 2 })
      assert.deepEqual(published, [
        { id: '/crm#7', type: 'pickup', time: Date.parse('2023-12-31T23:00:00Z'), attributes: { user: 'bob' } },
      ])
    }
  })

  test('the same CloudEvent twice is raised once, also at once', async () => {
    const { post, published } = ingress()
    const answers = await Promise.all([post(EVENT), post(EVENT)])
    answers.push(await post(EVENT))
    for (const answer of answers) assert.deepEqual(await accepted(answer), { id: '/crm#7', matched: 2 })
    assert.equal(published.length, 1)
    await accepted(await post({ ...EVENT, source: '/erp' }))
    assert.equal(published.length, 2)
  })

  test('a plain event is a new one each time, unless it has an Idempotency-Key', async () => {
    const { post, published } = ingress()
    await post({ type: 'a' })
    await post({ type: 'a' })
    assert.equal(published.length, 2)
    for (const key of ['k-1', '"k-1"', 'k-1'])
      assert.deepEqual(await accepted(await post({ type: 'a' }, { 'idempotency-key': key })), { id: 'k-1', matched: 2 })
    assert.equal(published.length, 3)
    assert.equal((await post({ type: 'a' }, { 'idempotency-key': 'x'.repeat(257) })).status, 400)
    assert.equal((await post({ type: 'a' }, { 'idempotency-key': '""' })).status, 400)
  })

  const wrong: [string, unknown, string | undefined, Record<string, string>?][] = [
    ['no type', { attributes: {} }, '/type'],
    ['a type with a space', { type: 'a b' }, '/type'],
    ['a nested attribute', { type: 'a', attributes: { b: { c: 1 } } }, '/attributes/b'],
    ['an attribute name with a slash', { type: 'a', attributes: { 'b/c': 1 } }, '/attributes/b~1c'],
    ['a predefined type with another attribute', { type: 'dtmf', attributes: { digits: '5' } }, '/attributes/digits'],
    ['the same as a CloudEvent', { ...EVENT, type: 'dtmf', data: { user: 'bob' } }, '/data/user'],
    ['a list', [], ''],
    ['null', 'null', ''],
    ['a CloudEvent of another version', { ...EVENT, specversion: '0.3' }, '/specversion'],
    ['a CloudEvent without source', { ...EVENT, source: undefined }, '/source'],
    ['a CloudEvent without id', { ...EVENT, id: '' }, '/id'],
    ['a CloudEvent with a broken time', { ...EVENT, time: 'yesterday' }, '/time'],
    ['a CloudEvent with XML', { ...EVENT, datacontenttype: 'application/xml' }, '/datacontenttype'],
    ['a CloudEvent with octets', { ...EVENT, data: undefined, data_base64: 'AA==' }, '/data_base64'],
    ['a plain body as a CloudEvent', { type: 'a' }, '/specversion', STRUCTURED],
    ['half a body', '{"type":', undefined],
    ['no body', '', undefined],
    ['a body that is nested very deep', `${'['.repeat(30_000)}${']'.repeat(30_000)}`, ''],
    ['plain text, which a web page could post', '{"type":"a"}', undefined, { 'content-type': 'text/plain' }],
    ['a form, likewise', 'type=a', undefined, { 'content-type': 'application/x-www-form-urlencoded' }],
    ['another kind of JSON', { type: 'a' }, undefined, { 'content-type': 'application/ld+json' }],
    ['a batch that is none', EVENT, '', BATCH],
    ['a fault within a batch', [EVENT, EVENT, EVENT, { ...EVENT, data: { digit: {} } }], '/3/data/digit', BATCH],
    ['a batch of too many', Array(101).fill(EVENT), '', BATCH],
    ['a batch of batches', [[EVENT]], '/0', BATCH],
    ['more than an event may hold', { type: 'a', attributes: manyAttributes() }, '/attributes'],
  ]
  for (const [title, body, pointer, headers] of wrong) {
    test(`refuses ${title} with problem details and a pointer (RFC 9457)`, async () => {
      const { post, published } = ingress({ bodyLimit: 1_048_576 })
      const response = await post(body, headers)
      assert.equal(response.status, 400)
      const problem = await problemOf(response)
      assert.equal(problem.type, 'urn:rouse:problem:request.invalid')
      assert.equal(problem.pointer, pointer)
      assert.notEqual(problem.detail, '')
      assert.deepEqual(published, [])
    })
  }

  test('the names of methods and prototypes are attributes like others, and change nothing', async () => {
    const { post, published } = ingress()
    await accepted(await post('{"type":"a","attributes":{"__proto__":"x","constructor":"y"},"__proto__":{"z":1}}'))
    assert.deepEqual(Object.keys(published[0]!.attributes), ['constructor'])
    assert.equal(Object.getPrototypeOf(published[0]!.attributes), Object.prototype)
    assert.equal(({} as { z?: number }).z, undefined)
  })

  test('refuses a body above the limit, announced or not', async () => {
    const options = { bodyLimit: 100 }
    const { post, published } = ingress(options)
    const long = { type: 'a', attributes: { b: 'x'.repeat(100) } }
    assert.equal((await problemOf(await post(long))).status, 413)
    const endless = new ReadableStream({ pull: (stream) => stream.enqueue(new Uint8Array(64)) })
    assert.equal((await post(endless)).status, 413)
    assert.deepEqual(published, [])
  })

  test('answers 503 with Retry-After when the store is away, without its words', async () => {
    const { post, lines } = ingress({ publish: () => Promise.reject(new Error('redis://u:pw@h is down')) })
    const response = await post({ type: 'a' })
    assert.equal(response.status, 503)
    assert.equal(response.headers.get('retry-after'), '1')
    assert.doesNotMatch(JSON.stringify(await problemOf(response)), /redis/)
    assert.deepEqual(
      lines.map(({ level }) => level),
      ['warn'],
    )
  })

  test('elsewhere, and by another method, there is nothing', async () => {
    const { post } = ingress()
    for (const path of ['/', '/event', '/events/', '/events/unknown', '/events/a/b', '/events/__proto__'])
      assert.equal((await post({ type: 'a' }, {}, path)).status, 404, path)
  })
})

describe('a batch of CloudEvents (HTTP binding 3.3)', () => {
  test('is raised as a whole, and answered one by one', async () => {
    const { post, published } = ingress()
    const events = [EVENT, { ...EVENT, id: '8' }, EVENT]
    assert.deepEqual(await accepted(await post(events, BATCH)), {
      events: [
        { id: '/crm#7', matched: 2 },
        { id: '/crm#8', matched: 2 },
        { id: '/crm#7', matched: 2 },
      ],
    })
    assert.deepEqual(
      published.map(({ id }) => id),
      ['/crm#7', '/crm#8'],
    )
    assert.deepEqual(await accepted(await post([], BATCH)), { events: [] })
  })

  test('what could not be raised is raised when it comes again, and only that', async () => {
    const raised: string[] = []
    let isAway = true
    const publish = async ({ id }: { id: string }) => {
      if (isAway && id === '/crm#8') throw new Error('away')
      raised.push(id)
      return 0
    }
    const { post } = ingress({ publish })
    const events = [EVENT, { ...EVENT, id: '8' }, { ...EVENT, id: '9' }]
    assert.equal((await post(events, BATCH)).status, 503)
    isAway = false
    await accepted(await post(events, BATCH))
    assert.deepEqual(raised, ['/crm#7', '/crm#9', '/crm#8'])
  })
})

describe('a CloudEvent in binary mode (HTTP binding 3.1)', () => {
  const HEADERS = { 'ce-specversion': '1.0', 'ce-id': '7', 'ce-source': '/crm', 'ce-type': 'pickup' }

  test('has its attributes in headers and its data in the body', async () => {
    const { post, published } = ingress()
    const headers = { ...HEADERS, 'ce-time': '2023-12-31T23:00:00Z', 'ce-someextension': 'x' }
    assert.deepEqual(await accepted(await post({ user: 'bob' }, headers)), { id: '/crm#7', matched: 2 })
    assert.deepEqual(published, [
      { id: '/crm#7', type: 'pickup', time: Date.parse('2023-12-31T23:00:00Z'), attributes: { user: 'bob' } },
    ])
    await accepted(await post('', { ...HEADERS, 'ce-id': '8' }))
    assert.deepEqual(published[1]!.attributes, {})
  })

  test('a header is unquoted, and then its percent escapes are resolved once (3.1.3.2)', () => {
    assert.equal(decodedHeader('Euro%20%E2%82%AC%20%F0%9F%98%80'), 'Euro € 😀')
    assert.equal(decodedHeader('"a \\"b\\" \\\\ c%20d"'), 'a "b" \\ c d')
    assert.equal(decodedHeader('%2541'), '%41')
    assert.equal(decodedHeader('"half'), '"half')
    for (const broken of ['%', '%4', '%zz', '%C3', '%ED%A0%80', '%FF']) assert.equal(decodedHeader(broken), undefined)
  })

  const wrong: [string, Record<string, string>, unknown, RegExp, string?][] = [
    ['broken escapes', { 'ce-id': '%E2%28' }, {}, /^ce-id: expected UTF-8 with percent escapes/],
    ['a control character behind escapes', { 'ce-id': 'a%0D%0Ab' }, {}, /^ce-id: may not hold control characters/],
    ['a header twice', { 'ce-type': 'pickup, pickup' }, {}, /^ce-type: /],
    ['another version', { 'ce-specversion': '0.3' }, {}, /^ce-specversion: /],
    ['a missing source', { 'ce-source': '' }, {}, /^ce-source: /],
    ['data that is nested', {}, { user: {} }, /^user: /, '/user'],
    ['data that is a text', {}, '"x"', /expected/, ''],
    ['a type that a web page could post', { 'content-type': 'text/plain' }, {}, /^Content-Type: /],
  ]
  for (const [title, headers, body, detail, pointer] of wrong) {
    test(`refuses ${title}`, async () => {
      const { post, published } = ingress()
      const response = await post(body, { ...HEADERS, ...headers })
      assert.equal(response.status, 400)
      const problem = await problemOf(response)
      assert.match(String(problem.detail), detail)
      assert.equal(problem.pointer, pointer)
      assert.deepEqual(published, [])
    })
  }
})

describe('what the CloudEvents SDK for JavaScript (cloudevents 10.0.0) sends', () => {
  const BINARY = {
    'content-type': 'application/json; charset=utf-8',
    'ce-id': '2',
    'ce-time': '2024-01-01T00:00:00.000Z',
    'ce-type': 'pickup',
    'ce-source': '/crm/a%20b',
    'ce-specversion': '1.0',
    'ce-subject': 'Jürgen "J"',
    'ce-ext': 'x y',
  }

  test('by HTTP.structured and HTTP.binary, with data and without', async () => {
    const { post, published } = ingress()
    const structured =
      '{"id":"1","time":"2024-01-01T00:00:00.000Z","type":"pickup","source":"/crm/a%20b","specversion":"1.0","subject":"Jürgen \\"J\\"","data":{"user":"bob"},"ext":"x y"}'
    await accepted(await post(structured, { 'content-type': 'application/cloudevents+json; charset=utf-8' }))
    await accepted(await post('{"user":"bob","floor":3}', BINARY))
    await accepted(await post('', { ...BINARY, 'ce-id': '3' }))
    assert.deepEqual(
      published.map(({ id, attributes }) => [id, attributes]),
      [
        ['/crm/a%20b#1', { user: 'bob' }],
        ['/crm/a b#2', { user: 'bob', floor: 3 }],
        ['/crm/a b#3', {}],
      ],
    )
  })
})

describe('who asks first whether it may send here (HTTP webhooks for CloudEvents 4)', () => {
  const ORIGIN = { 'webhook-request-origin': 'eventemitter.example.com' }

  test('is told that it may, and how often', async () => {
    const { asks } = ingress({ limit: { count: 100, perMs: 1000 } })
    const response = await asks(ORIGIN)
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('webhook-allowed-origin'), 'eventemitter.example.com')
    assert.equal(response.headers.get('webhook-allowed-rate'), '6000')
    assert.equal((await ingress().asks(ORIGIN)).headers.get('webhook-allowed-rate'), '*')
  })

  test('a browser that asks for a page is not', async () => {
    const preflight = { origin: 'https://evil.example', 'access-control-request-method': 'POST' }
    const response = await ingress().asks(preflight)
    assert.equal(response.status, 404)
    assert.equal((await ingress().asks({ ...preflight, ...ORIGIN })).headers.get('access-control-allow-origin'), null)
    assert.equal((await ingress().asks(ORIGIN, '/events/unknown')).status, 404)
  })
})

describe('the limit', () => {
  const limited = () =>
    ingress({ limit: { count: 2, perMs: 10_000 }, tokens: [{ setting: 'API_TOKEN', token: TOKEN }] })
  const AUTHORIZED = { authorization: `Bearer ${TOKEN}` }

  test('so many requests in a row, and then 429 with the seconds until one more may come', async () => {
    const { post, clock, results } = limited()
    assert.equal((await post({ type: 'a' }, AUTHORIZED)).status, 202)
    assert.equal((await post({ type: 'a' }, AUTHORIZED)).status, 202)
    const refused = await post({ type: 'a' }, AUTHORIZED)
    assert.equal(refused.status, 429)
    assert.equal(refused.headers.get('retry-after'), '5')
    assert.match(String((await problemOf(refused)).detail), /EVENTS_LIMIT/)
    clock.advanceSync(5000)
    assert.equal((await post({ type: 'a' }, AUTHORIZED)).status, 202)
    assert.deepEqual(results, ['accepted', 'accepted', 'request.rate_limited', 'accepted'])
  })

  test('another address has a limit of its own', async () => {
    const { post } = limited()
    const from = async (address: string) => (await post({ type: 'a' }, AUTHORIZED, '/events', address)).status
    for (let time = 0; time < 2; time++) await from('192.0.2.1')
    assert.deepEqual([await from('192.0.2.1'), await from('192.0.2.2')], [429, 202])
  })

  test('a stranger without the token uses up nothing', async () => {
    const { post } = limited()
    for (let time = 0; time < 5; time++) assert.equal((await post({ type: 'a' })).status, 401)
    assert.equal((await post({ type: 'a' }, AUTHORIZED)).status, 202)
  })
})

function manyAttributes(): Record<string, string> {
  return Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`a${at}`, 'x'.repeat(4000)]))
}
