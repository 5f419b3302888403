import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readMappings } from '../../../functions/ingress/mappings.ts'
import { accepted, ingress, NOW, problemOf } from './harness.ts'

/** The events that one mapping makes of a body. */
async function mapped(rule: object, body: unknown, headers: Record<string, string> = {}, query = '') {
  const made = ingress({ rules: { shop: rule } })
  const response = await made.post(body, headers, `/events/shop${query}`)
  return { ...made, response, events: made.published }
}

const PAID = { event: 'paid', id: 'evt_1', order: { id: 17, note: null, gift: false }, items: ['a', 'b'] }

describe('a mapping makes an event of somebody’s body', () => {
  test('by JSON pointers, and the type is always the same', async () => {
    const rule = {
      type: 'payment.done',
      attributes: { order: '/order/id', gift: '/order/gift', item: '/items/1', shop: { value: 'north' } },
    }
    const { response, events } = await mapped(rule, PAID)
    assert.deepEqual(await accepted(response), { id: 'event1', matched: 2 })
    const attributes = { order: 17, gift: false, item: 'b', shop: 'north' }
    assert.deepEqual(events, [{ id: 'event1', type: 'payment.done', time: NOW, attributes }])
  })

  test('the type may be in the body, in its own words or in others', async () => {
    assert.equal((await mapped({ type: '/event' }, PAID)).events[0]!.type, 'paid')
    const type = { pointer: '/event', map: { paid: 'payment.done' } }
    assert.equal((await mapped({ type }, PAID)).events[0]!.type, 'payment.done')
    assert.equal((await mapped({ type: '/order/note' }, PAID)).response.status, 400)
    const { response } = await mapped({ type: '/event' }, { event: 'not a type' })
    assert.match(String((await problemOf(response)).detail), /"not a type" is no type of an event/)
  })

  test('what is missing is refused with a pointer, left out, or as the rule has it', async () => {
    const rule = (note: object) => ({ type: 'a', attributes: { note: { pointer: '/order/note', ...note } } })
    const { response, events } = await mapped(rule({}), PAID)
    assert.equal(response.status, 400)
    const problem = await problemOf(response)
    assert.equal(problem.pointer, '/order/note')
    assert.match(String(problem.detail), /is missing/)
    assert.deepEqual(events, [])
    assert.deepEqual((await mapped(rule({ optional: true }), PAID)).events[0]!.attributes, {})
    assert.deepEqual((await mapped(rule({ default: 'none' }), PAID)).events[0]!.attributes, { note: 'none' })
  })

  test('values are exchanged for others; what is none of them counts as missing', async () => {
    const status = (more: object) => ({
      type: 'a',
      attributes: { status: { pointer: '/event', map: { paid: 'ok' }, ...more } },
    })
    assert.deepEqual((await mapped(status({}), PAID)).events[0]!.attributes, { status: 'ok' })
    for (const event of ['refused', 'constructor', '__proto__', 'toString']) {
      const { response } = await mapped(status({}), { event })
      assert.match(String((await problemOf(response)).detail), /none of the values/)
      assert.deepEqual((await mapped(status({ default: 'bad' }), { event })).events[0]!.attributes, { status: 'bad' })
    }
  })

  test('only what the body itself holds is found', async () => {
    const at = (pointer: string) => ({ type: 'a', attributes: { x: pointer } })
    for (const pointer of [
      '/constructor',
      '/__proto__/x',
      '/items/length',
      '/items/-',
      '/items/01',
      '/event/length',
      '/items/2',
    ])
      assert.equal((await mapped(at(pointer), PAID)).response.status, 400, pointer)
    const own = JSON.parse('{"__proto__":"own","a/b":{"~":"x"},"":"empty"}')
    assert.deepEqual((await mapped(at('/__proto__'), own)).events[0]!.attributes, { x: 'own' })
    assert.deepEqual((await mapped(at('/a~1b/~0'), own)).events[0]!.attributes, { x: 'x' })
    assert.deepEqual((await mapped(at('/'), own)).events[0]!.attributes, { x: 'empty' })
  })

  test('an object, a list or a text that is too long is no attribute', async () => {
    for (const value of [{}, [], 'x'.repeat(4097)])
      assert.equal((await mapped({ type: 'a', attributes: { x: '/x' } }, { x: value })).response.status, 400)
  })

  test('headers and the query count too', async () => {
    const rule = { type: 'a', attributes: { topic: { header: 'X-Topic' }, order: { query: 'order' } } }
    const { events } = await mapped(rule, {}, { 'x-topic': 'orders' }, '?order=17')
    assert.deepEqual(events[0]!.attributes, { topic: 'orders', order: '17' })
    const { response } = await mapped(rule, {})
    assert.match(String((await problemOf(response)).detail), /^X-Topic: is missing/)
  })

  test('the same id twice is one event; ids of two mappings do not meet', async () => {
    const rule = { type: 'a', id: '/id' }
    const { post, published } = ingress({ rules: { shop: rule, other: rule } })
    for (const path of ['/events/shop', '/events/shop', '/events/other']) await accepted(await post(PAID, {}, path))
    assert.deepEqual(
      published.map(({ id }) => id),
      ['shop#evt_1', 'other#evt_1'],
    )
    assert.equal((await post({ id: '' }, {}, '/events/shop')).status, 400)
    assert.equal((await post({ id: 'x'.repeat(257) }, {}, '/events/shop')).status, 400)
  })

  test('without an id of its own the request’s Idempotency-Key is one', async () => {
    const { post, published } = ingress({ rules: { shop: { type: 'a' } } })
    for (let time = 0; time < 2; time++) await post(PAID, { 'idempotency-key': 'k' }, '/events/shop')
    assert.deepEqual(
      published.map(({ id }) => id),
      ['shop#k'],
    )
  })
})

describe('conditions', () => {
  const when = (...conditions: object[]) => ({ type: 'a', when: conditions })

  const cases: [string, object, boolean][] = [
    ['a value', { pointer: '/event', equals: 'paid' }, true],
    ['another value', { pointer: '/event', equals: 'refused' }, false],
    ['one of several', { pointer: '/event', equals: ['refused', 'paid'] }, true],
    ['a number, as a text too', { pointer: '/order/id', equals: '17' }, true],
    ['a boolean', { pointer: '/order/gift', equals: false }, true],
    ['an object', { pointer: '/order', equals: '[object Object]' }, false],
    ['something that is there', { pointer: '/order/id', exists: true }, true],
    ['something that is null', { pointer: '/order/note', exists: true }, false],
    ['something that is not there', { pointer: '/refund', exists: false }, true],
    ['a header', { header: 'x-event', equals: 'push' }, true],
    ['a query', { query: 'mode', equals: 'live' }, true],
  ]
  for (const [title, condition, isMet] of cases) {
    test(`${title} is ${isMet ? 'met' : 'not met: 204, and no event'}`, async () => {
      const { response, events } = await mapped(when(condition), PAID, { 'x-event': 'push' }, '?mode=live')
      assert.equal(response.status, isMet ? 202 : 204)
      assert.equal(events.length, isMet ? 1 : 0)
    })
  }

  test('all of them have to be met, and the rest of the rule is not looked at otherwise', async () => {
    const conditions = [
      { pointer: '/event', equals: 'paid' },
      { pointer: '/x', exists: true },
    ]
    const { response } = await mapped({ ...when(...conditions), attributes: { y: '/y' } }, PAID)
    assert.equal(response.status, 204)
  })
})

describe('each entry of a list may be an event', () => {
  const RULE = {
    type: 'order.changed',
    each: '/orders',
    when: [{ pointer: '/state', equals: 'paid' }],
    id: '/id',
    attributes: { order: '/id', shop: { body: '/shop' } },
  }
  const BODY = {
    shop: 'north',
    orders: [
      { id: 1, state: 'paid' },
      { id: 2, state: 'open' },
      { id: 3, state: 'paid' },
    ],
  }

  test('those whose conditions are met, with what the whole body says', async () => {
    const { response, events } = await mapped(RULE, BODY)
    assert.deepEqual(await accepted(response), {
      events: [
        { id: 'shop#1', matched: 2 },
        { id: 'shop#3', matched: 2 },
      ],
    })
    assert.deepEqual(
      events.map(({ attributes }) => attributes),
      [
        { order: 1, shop: 'north' },
        { order: 3, shop: 'north' },
      ],
    )
  })

  test('a fault is pointed to within the list, and keeps all of them from being raised', async () => {
    const { response, events } = await mapped(RULE, { ...BODY, orders: [...BODY.orders, { state: 'paid' }] })
    assert.equal((await problemOf(response)).pointer, '/orders/3/id')
    assert.deepEqual(events, [])
  })

  test('entries without an id have that of the request and their place', async () => {
    const { id: _, ...rule } = RULE
    const { events } = await mapped(rule, BODY, { 'idempotency-key': 'k' })
    assert.deepEqual(
      events.map(({ id }) => id),
      ['shop#k/0', 'shop#k/2'],
    )
  })

  test('no list is none, another thing is refused, and so are too many', async () => {
    assert.equal((await mapped(RULE, {})).response.status, 204)
    assert.equal((await mapped(RULE, { orders: {} })).response.status, 400)
    assert.equal((await mapped(RULE, { orders: Array(101).fill({}) })).response.status, 400)
    assert.equal((await mapped({ ...RULE, each: '' }, BODY.orders)).response.status, 400)
    assert.equal((await mapped({ type: 'a', each: '' }, BODY.orders)).events.length, 3)
  })
})

describe('a sender that wants something back to know that it has come to the right place', () => {
  const when = [{ pointer: '/type', equals: 'url_verification' }]
  const rule = { type: 'a', challenge: { when, echo: '/challenge' } }

  test('gets it, as plain text, and nothing is raised', async () => {
    const { response, events } = await mapped(rule, { type: 'url_verification', challenge: '<b>3eZbrw</b>' })
    assert.equal(response.status, 200)
    assert.equal(await response.text(), '<b>3eZbrw</b>')
    assert.equal(response.headers.get('content-type'), 'text/plain; charset=utf-8')
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
    assert.deepEqual(events, [])
    assert.equal((await mapped(rule, { type: 'event', challenge: 'x' })).events.length, 1)
    assert.equal((await mapped(rule, { type: 'url_verification' })).events.length, 1)
  })

  test('may ask by the query, without any body, once it is known', async () => {
    const auth = { scheme: 'query', name: 'token', secret: 'a-long-secret' }
    const graph = { auth, type: 'a', challenge: { echo: { query: 'validationToken' } } }
    const asked = await mapped(
      graph,
      '',
      { 'content-type': 'text/plain' },
      '?token=a-long-secret&validationToken=x%20y',
    )
    assert.equal(await asked.response.text(), 'x y')
    assert.equal((await mapped(graph, '', {}, '?validationToken=x')).response.status, 401)
  })
})

describe('a form', () => {
  const FORM = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }
  const auth = { scheme: 'query', name: 'token', secret: 'a-long-secret' }
  const rule = { auth, type: 'a', attributes: { status: '/CallStatus', first: { pointer: '/To/0', optional: true } } }

  test('is an object of texts, with lists where a name comes again', async () => {
    const one = await mapped(rule, 'CallStatus=no+answer&From=%2B49', FORM, '?token=a-long-secret')
    assert.deepEqual(one.events[0]!.attributes, { status: 'no answer' })
    const two = await mapped(rule, 'CallStatus=x&To=a&To=b&__proto__=c', FORM, '?token=a-long-secret')
    assert.deepEqual(two.events[0]!.attributes, { status: 'x', first: 'a' })
    assert.equal(({} as { c?: string }).c, undefined)
  })

  test('of somebody unknown is not taken: a web page could have posted it', async () => {
    const { auth: _, ...open } = rule
    for (const type of [FORM['content-type'], 'text/plain', '']) {
      const { response } = await mapped(open, 'CallStatus=x', { 'content-type': type })
      assert.match(String((await problemOf(response)).detail), /^Content-Type/)
    }
  })

  test('with too many fields, or what is neither a form nor JSON, is refused', async () => {
    const many = Array.from({ length: 1001 }, (_, at) => `a${at}=1`).join('&')
    assert.equal((await mapped(rule, many, FORM, '?token=a-long-secret')).response.status, 400)
    assert.equal(
      (await mapped(rule, '<xml/>', { 'content-type': 'text/xml' }, '?token=a-long-secret')).response.status,
      400,
    )
    assert.equal(
      (await mapped(rule, '{"CallStatus":"x"}', { 'content-type': 'text/plain' }, '?token=a-long-secret')).response
        .status,
      202,
    )
  })
})

const HMAC = { scheme: 'hmac-sha256', header: 'x', encoding: 'hex', secret: 'a-long-secret' }

describe('mistakes in the rules are told at the start, all of them, each with its pointer', () => {
  const faults = (rules: unknown, env: Record<string, string> = {}) => {
    const read = readMappings(rules, (name) => env[name])
    return read.ok ? [] : read.problem
  }

  const cases: [string, unknown, RegExp][] = [
    ['no object', [], /^expected an object/],
    ['a name with a slash', { 'a/b': { type: 'a' } }, /^\/a~1b: a\/b: expected a name/],
    ['no type', { a: {} }, /^\/a\/type: a.type: is missing/],
    ['a field that is none', { a: { type: 'a', wen: [] } }, /^\/a\/wen: .*no field/],
    [
      'a field of a source that is none',
      { a: { type: 'a', attributes: { x: { pointr: '/x' } } } },
      /^\/a\/attributes\/x/,
    ],
    ['a type that is none', { a: { type: 'a b' } }, /^\/a\/type: .*expected the type of an event/],
    [
      'an attribute that is no pointer',
      { a: { type: 'a', attributes: { x: 'x' } } },
      /^\/a\/attributes\/x: .*JSON pointer/,
    ],
    ['a broken escape', { a: { type: 'a', each: '/a~2' } }, /^\/a\/each: .*JSON pointer/],
    [
      'two sources',
      { a: { type: 'a', attributes: { x: { pointer: '/x', value: 1 } } } },
      /^\/a\/attributes\/x: .*expected one of/,
    ],
    [
      'a constant that is optional',
      { a: { type: 'a', attributes: { x: { value: 1, optional: true } } } },
      /nothing beside value/,
    ],
    ['a condition of nothing', { a: { type: 'a', when: [{ pointer: '/x' }] } }, /^\/a\/when\/0: .*equals or exists/],
    [
      'an attribute that the type has not',
      { a: { type: 'dtmf', attributes: { digits: '/x' } } },
      /^\/a\/attributes\/digits: .*it has callId/,
    ],
    [
      'the same by a map',
      { a: { type: { pointer: '/t', map: { x: 'dtmf' } }, attributes: { y: '/x' } } },
      /^\/a\/attributes\/y/,
    ],
    ['a map to no type', { a: { type: { pointer: '/t', map: { x: 'a b' } } } }, /^\/a\/type\/map\/x: /],
    ['a scheme that is none', { a: { type: 'a', auth: { scheme: 'md5' } } }, /^\/a\/auth\/scheme: /],
    ['a signature over no body', { a: { type: 'a', auth: { ...HMAC, signs: 'v0' } } }, /^\/a\/auth: .*\{body\} once/],
    ['a time that is nowhere', { a: { type: 'a', auth: { ...HMAC, signs: '{time}{body}' } } }, /\{time\} once/],
    [
      'a short secret',
      { a: { type: 'a', auth: { scheme: 'header', name: 'x', secret: 'short' } } },
      /^\/a\/auth\/secret: /,
    ],
    [
      'a secret that is not set',
      { a: { type: 'a', auth: { scheme: 'header', name: 'x', secret: { env: 'S' } } } },
      /^\/a\/auth\/secret: .*a value in S/,
    ],
    [
      'no secret of Standard Webhooks',
      { a: { type: 'a', auth: { scheme: 'standard-webhooks', secret: 'whsec_%%%%%' } } },
      /^\/a\/auth\/secret: .*whsec_/,
    ],
    [
      'a name that hides',
      JSON.parse('{"a":{"type":"a","attributes":{"__proto__":"/x"}}}'),
      /^\/a\/attributes\/__proto__/,
    ],
    ['a mapping of such a name', JSON.parse('{"__proto__":{"type":"a"}}'), /^\/__proto__/],
    [
      'too many mappings',
      Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`m${at}`, { type: 'a' }])),
      /at most 100/,
    ],
  ]
  for (const [title, rules, expected] of cases) {
    test(title, () => {
      const told = faults(rules)
      assert.ok(told.length > 0)
      assert.match(told[0]!, expected)
      assert.doesNotMatch(told.join(), /short/)
    })
  }

  test('several at once', () => {
    const rules = { a: { each: 'x', when: [{ pointer: '/x' }] }, b: { type: 'b b' }, good: { type: 'a' } }
    const told = faults(rules)
    for (const pointer of ['/a/each', '/a/type', '/a/when/0', '/b/type'])
      assert.ok(
        told.some((sentence) => sentence.startsWith(`${pointer}: `)),
        `${pointer} in ${told.join('\n')}`,
      )
    assert.equal(told.length, 4)
  })
})
