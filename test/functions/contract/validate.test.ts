import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Action, Answer } from '../../../functions/contract/actions.ts'
import { Invocation } from '../../../functions/contract/envelope.ts'
import { compileFastCheck } from '../../../functions/contract/fast-check.ts'
import {
  resolveFromEvent,
  validateAnswer,
  validateEvent,
  validateInvocation,
  validateManifest,
  validatePushMessage,
} from '../../../functions/contract/validate.ts'
import { invocation } from '../invocations.ts'
import { AOR, EVERY_ACTION, FAULTS, REACTION_FAULTS } from './answers.ts'

describe('validateAnswer', () => {
  test('every action with every field is taken, as it is', () => {
    assert.deepEqual(
      Object.keys(EVERY_ACTION).sort(),
      Action._zod.def.options.map((option) => option._zod.def.shape.action._zod.def.values[0]).sort(),
    )
    for (const [action, fields] of Object.entries(EVERY_ACTION)) {
      const answer = { actions: [{ action, ...fields }], context: { any: ['thing'] } }
      const checked = validateAnswer(answer)
      assert.deepEqual(checked, { ok: true, value: answer }, action)
    }
  })

  test('unknown fields are dropped, wherever they are', () => {
    const checked = validateAnswer({
      actions: [{ action: 'fork', targets: [{ uri: AOR, weight: 3 }], colour: 'red', headers: { sort: true } }],
      took: 3,
    })
    assert.deepEqual(checked, {
      ok: true,
      value: { actions: [{ action: 'fork', targets: [{ uri: AOR }], headers: {} }] },
    })
  })

  for (const [what, actions, pointer, detail] of FAULTS) {
    test(`${what} is refused, with a pointer`, () => {
      const checked = validateAnswer({ actions })
      assert.ok(!checked.ok)
      assert.equal(checked.problem.code, 'handler.invalid_answer')
      assert.equal(checked.problem.pointer, pointer)
      assert.ok(checked.problem.detail.startsWith(detail), checked.problem.detail)
    })
  }

  test('what is no answer at all', () => {
    for (const json of [undefined, null, 7, 'ok', [], {}, { actions: {} }, { actions: 'fork' }]) {
      assert.equal(validateAnswer(json).ok, false, JSON.stringify(json))
    }
  })

  test('65 actions, and a name that belongs to every object, are refused', () => {
    const halt = { action: 'halt', for: 1 }
    assert.equal(validateAnswer({ actions: Array(64).fill(halt) }).ok, true)
    assert.equal(validateAnswer({ actions: Array(65).fill(halt) }).ok, false)
    assert.equal(validateAnswer({ actions: [{ action: 'constructor' }] }).ok, false)
    assert.equal(validateAnswer({ actions: [{ action: 'toString' }] }).ok, false)
  })

  test('a predefined event is one of the table’s own: constructor is not', () => {
    assert.equal(
      validateAnswer({ actions: [{ action: 'subscribe', event: 'constructor', filter: { a: 1 }, handler: 'h' }] }).ok,
      true,
    )
  })

  test('values nested a hundred thousand levels deep are refused or passed on, and break nothing', () => {
    const deep = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000))
    assert.equal(validateAnswer({ actions: [], context: deep }).ok, true)
    assert.equal(validateAnswer({ actions: [{ action: 'fork', targets: deep }] }).ok, false)
    const checked = validateAnswer({
      actions: [{ action: 'subscribe', event: 'dtmf', actions: [{ action: 'fork', targets: deep }] }],
    })
    assert.ok(!checked.ok)
    assert.match(checked.problem.detail, /nested too deeply/)
  })
})

describe('inline reactions', () => {
  const reaction = (...actions: unknown[]) =>
    validateAnswer({ actions: [{ action: 'subscribe', event: 'contact.registered', actions }] })

  test('fromEvent stands for a URI, a header value, a text', () => {
    const checked = reaction(
      {
        action: 'fork',
        targets: [{ fromEvent: 'contact' }],
        headers: { set: { 'X-Device': { fromEvent: 'instance' } } },
      },
      { action: 'publish', type: 'woken', attributes: { contact: { fromEvent: 'contact' } } },
      { action: 'hangup', reason: { fromEvent: 'kind' } },
    )
    assert.equal(checked.ok, true)
  })

  for (const action of ['wait', 'lookup', 'authorize', 'subscribe', 'save', 'challenge', 'redirect'] as const) {
    test(`${action} is refused: nobody is there to do it`, () => {
      const checked = reaction({ action: 'hangup' }, { action, ...EVERY_ACTION[action] })
      assert.ok(!checked.ok)
      assert.equal(checked.problem.pointer, '/actions/0/actions/1/action')
      assert.match(checked.problem.detail, new RegExp(`"${action}" is not possible in an inline reaction`))
    })
  }

  test('faults inside have their pointer', () => {
    for (const [action, pointer] of REACTION_FAULTS) {
      const checked = reaction(action)
      assert.ok(!checked.ok)
      assert.equal(checked.problem.pointer, pointer)
    }
  })

  test('resolveFromEvent fills in the attributes, numbers as text', () => {
    const resolved = resolveFromEvent(
      [
        { action: 'fork', targets: [{ uri: { fromEvent: 'contact' }, aor: AOR }] },
        { action: 'annotate', values: { digit: { fromEvent: 'digit' } } },
      ],
      { contact: 'sip:bob@192.0.2.7', digit: 5 },
    )
    assert.deepEqual(resolved, {
      ok: true,
      value: [
        { action: 'fork', targets: [{ uri: 'sip:bob@192.0.2.7', aor: AOR }] },
        { action: 'annotate', values: { digit: '5' } },
      ],
    })
  })

  test('resolveFromEvent: an attribute that is missing, or not what may stand there', () => {
    const missing = resolveFromEvent([{ action: 'fork', targets: [{ fromEvent: 'contact' }] }], {})
    assert.ok(!missing.ok)
    assert.equal(missing.problem.pointer, '/0/targets/0/fromEvent')
    assert.match(missing.problem.detail, /the event has no attribute "contact"/)
    const inherited = resolveFromEvent([{ action: 'hangup', reason: { fromEvent: 'toString' } }], {})
    assert.equal(inherited.ok, false)
    const hostile = resolveFromEvent([{ action: 'hangup', reason: { fromEvent: 'x' } }], { x: 'a\r\nVia: y' })
    assert.ok(!hostile.ok)
    assert.equal(hostile.problem.pointer, '/0/reason')
  })
})

describe('the fast check says yes only where the schema does, and changes nothing', () => {
  const isAnswer = compileFastCheck(Answer)

  test('every action, whole and with each field spoilt, is judged alike', () => {
    const spoilers = [
      null,
      '',
      'x',
      -1,
      0.5,
      1e9,
      Number.NaN,
      true,
      [],
      {},
      ['x'],
      [''],
      { x: '' },
      { __proto__: null },
      [[1]],
      'a\r\nb',
    ]
    let accepted = 0
    for (const [action, fields] of Object.entries(EVERY_ACTION)) {
      for (const name of Object.keys(fields)) {
        for (const spoilt of spoilers) {
          const answer = { actions: [{ action, ...fields, [name]: spoilt }] }
          const read = Answer.safeParse(answer)
          if (!isAnswer(answer)) continue
          accepted++
          assert.ok(read.success, JSON.stringify(answer))
          assert.deepEqual(read.data, answer)
        }
      }
    }
    assert.ok(accepted > 30, `only ${accepted} were accepted`)
  })

  test('every whole action takes the fast way', () => {
    for (const [action, fields] of Object.entries(EVERY_ACTION)) {
      assert.equal(isAnswer({ actions: [{ action, ...fields }] }), true, action)
    }
    assert.equal(compileFastCheck(Invocation)(invocation()), true)
  })

  test('a key __proto__ does not slip through', () => {
    const answer = JSON.parse('{"actions":[{"action":"publish","type":"x","attributes":{"__proto__":{"a":1}}}]}')
    assert.equal(isAnswer(answer), false)
    const checked = validateAnswer(answer)
    if (checked.ok) assert.deepEqual(Object.keys((checked.value.actions[0] as { attributes: object }).attributes), [])
  })
})

describe('the other bodies', () => {
  test('validateInvocation: as it is, or a pointer', () => {
    const good = invocation()
    assert.deepEqual(validateInvocation(good), { ok: true, value: good })
    assert.deepEqual(validateInvocation({ ...good, more: 1 }), { ok: true, value: good })
    const bad = validateInvocation({ ...good, type: 'sip.response' })
    assert.ok(!bad.ok)
    assert.deepEqual([bad.problem.code, bad.problem.pointer], ['request.invalid', '/type'])
  })

  test('validateManifest', () => {
    const good = { contract: 1, routes: [{ method: '*', path: '/:domain/:user' }], handlers: ['a'] }
    assert.deepEqual(validateManifest(good), { ok: true, value: good })
    const bad = validateManifest({ ...good, contract: 2 })
    assert.ok(!bad.ok)
    assert.equal(bad.problem.detail, 'contract: expected 1, got 2')
  })

  test('validatePushMessage: the fault of a token is told without it', () => {
    const bad = validatePushMessage({
      id: 'p',
      aor: AOR,
      device: 'd',
      provider: 'fcm',
      purpose: 'call',
      prid: 't'.repeat(5000),
      param: '',
      ttlSeconds: 30,
    })
    assert.ok(!bad.ok)
    assert.equal(bad.problem.pointer, '/prid')
    assert.doesNotMatch(bad.problem.detail, /tttt/)
  })
})

describe('an event that a program raises', () => {
  test('its own type with any attributes, a predefined one with some of its own', () => {
    for (const event of [
      { id: 'evt_1', type: 'payment.confirmed', attributes: { order: '17', 'card.last4': '' } },
      { id: 'evt 2', type: 'pickup', attributes: {} },
      { id: '3', type: 'dtmf', attributes: { callId: 'a@b', digit: '5' } },
    ]) {
      assert.deepEqual(validateEvent(event), { ok: true, value: event })
    }
  })

  const faults: [string, Record<string, unknown>, string, RegExp][] = [
    ['no type', { type: undefined }, '/type', /^type: is missing$/],
    ['a type with a space', { type: 'pick up' }, '/type', /^type: expected letters, digits, _ and -, with dots/],
    ['a number', { attributes: { a: 5 } }, '/attributes/a', /^attributes\.a: expected a string, got 5$/],
    ['a list', { attributes: { a: ['x'] } }, '/attributes/a', /^attributes\.a: expected a string, got an array$/],
    ['a name with a slash', { attributes: { 'a/b': '' } }, '/attributes/a~1b', /"a\/b" is not a name/],
    ['a long value', { attributes: { a: 'x'.repeat(4097) } }, '/attributes/a', /at most 4096 characters/],
    ['no id', { id: '' }, '/id', /^id: expected something/],
    ['a line break in the id', { id: 'a\nb' }, '/id', /control characters/],
    [
      'an attribute that the predefined event does not have',
      { type: 'dtmf', attributes: { digits: '5' } },
      '/attributes/digits',
      /^attributes\.digits: dtmf has no attribute "digits"; it has callId, digit, duration, source$/,
    ],
    [
      'too much in all',
      { attributes: Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`a${n}`, 'ä'.repeat(1000)])) },
      '/attributes',
      /^attributes: expected at most 65536 octets as JSON, got \d{5}$/,
    ],
  ]
  for (const [what, part, pointer, detail] of faults) {
    test(`${what} is refused, with where and why`, () => {
      const checked = validateEvent({ id: 'e', type: 'pickup', attributes: {}, ...part })
      assert.ok(!checked.ok)
      assert.equal(checked.problem.code, 'request.invalid')
      assert.equal(checked.problem.pointer, pointer)
      assert.match(checked.problem.detail, detail)
    })
  }
})
