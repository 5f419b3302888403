import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { validateAnswer } from '../../../functions/contract/validate.ts'
import defaultApp from '../../../functions/examples/app.ts'
import { sleepingPhone } from '../../scenario/cast.ts'
import { seeded } from '../../support/random.ts'
import { world } from '../../support/world.ts'
import { routerOf } from '../contract-suite/case.ts'
import { contractSuite, dispatched, type Reach } from '../contract-suite/suite.ts'
import { invocation } from '../invocations.ts'
import { AOR, EVERY_ACTION, FAULTS, REACTION_FAULTS } from './answers.ts'
import { fault } from './judge.ts'
import { RandomAnswers } from './random-answers.ts'

/** The published schema beside the validators, in the hands of somebody else's validator. */

const deep = (levels: number): object => (levels === 0 ? {} : { inner: deep(levels - 1) })

/** Where the two differ, and why; everywhere else they are alike. */
const EXCEPTIONS: readonly { reason: string; actions: unknown[]; isAccepted: 'by the schema' | 'by the validator' }[] =
  [
    {
      reason: 'a reaction may be nested eight levels deep, also where nothing is looked at',
      actions: [{ action: 'subscribe', event: 'x', actions: [{ action: 'hangup', unknown: deep(8) }] }],
      isAccepted: 'by the schema',
    },
    {
      reason: 'milliseconds are rounded before they are compared with 24 hours',
      actions: [{ action: 'halt', for: 86_400_000.4 }],
      isAccepted: 'by the validator',
    },
    {
      reason: 'of a condition that names a fork as well, an event that is none is not looked at',
      actions: [{ action: 'wait', name: 'w', timeout: 1, any: [{ event: 'dtmf', filter: { x: '' }, fork: 'a' }] }],
      isAccepted: 'by the validator',
    },
  ]

/** What goes either way is judged by the published schema. */
const judged: Reach = (contractCase) => {
  const subject = dispatched(contractCase)
  assert.equal(fault('Manifest', routerOf(contractCase).sip.manifest()), undefined)
  return {
    ...subject,
    invoke: async (path, invoked) => {
      assert.equal(fault('Invocation', invoked), undefined, path)
      const { status, body } = await subject.invoke(path, invoked)
      if (status === 200) assert.equal(fault('Answer', body), undefined, JSON.stringify(body))
      else if (status !== 204) assert.equal(fault('Problem', body), undefined, JSON.stringify(body))
      return body === undefined ? { status } : { status, body }
    },
  }
}

describe('whatever the functions of the contract suite are asked and answer is valid by the schema', () => {
  contractSuite(judged)
})

test('what the gateway asks, and the pushes it sends, are valid by the schema', async () => {
  const w = await world({ app: defaultApp })
  const alice = await w.phone('alice')
  const tablet = await w.phone('tablet', { user: 'bob', instance: 'urn:uuid:tablet' })
  await alice.registers()
  await tablet.registers()
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  await alice.invites('bob')
  await w.advance(1000)
  await phone.wakes()
  await phone.answers()
  await alice.hangsUp()
  await alice.invites('*43bob')
  await w.advance(120_000)
  assert.ok(w.invocations.some(({ type }) => type === 'subscription.matched'))
  assert.ok(w.invocations.some(({ type }) => type === 'wait.timed_out'))
  for (const asked of w.invocations) {
    const received = JSON.parse(JSON.stringify(asked))
    assert.equal(fault('Invocation', received), undefined, JSON.stringify(received))
  }
  assert.ok(w.pushes.length > 0)
  for (const push of w.pushes) assert.equal(fault('PushMessage', JSON.parse(JSON.stringify(push))), undefined)
  await w.assertQuiet()
  await w.stop()
})

describe('the schema refuses what the validator refuses', () => {
  for (const [what, actions] of FAULTS) {
    test(what, () => assertRefused({ actions }))
  }
  for (const [action, pointer] of REACTION_FAULTS) {
    const subscribe = { action: 'subscribe', event: 'contact.registered', actions: [action] }
    test(`a reaction with a fault at ${pointer}`, () => assertRefused({ actions: [subscribe] }))
  }
  for (const action of ['wait', 'lookup', 'authorize', 'subscribe', 'save', 'challenge', 'redirect'] as const) {
    const subscribe = { action: 'subscribe', event: 'x', actions: [{ action, ...EVERY_ACTION[action] }] }
    test(`${action} in a reaction`, () => assertRefused({ actions: [subscribe] }))
  }
  test('what is no answer at all, and 65 actions', () => {
    for (const json of [null, 7, 'ok', [], {}, { actions: {} }, { actions: 'fork' }]) {
      assert.ok(fault('Answer', json), JSON.stringify(json))
    }
    assert.ok(fault('Answer', { actions: Array(65).fill({ action: 'halt', for: 1 }) }))
  })
  test('an invocation of another type, a manifest of another contract, a token of 5000 characters', () => {
    assert.ok(fault('Invocation', { ...invocation(), type: 'sip.response' }))
    assert.ok(fault('Manifest', { contract: 2, routes: [], handlers: [] }))
    const push = {
      id: 'p',
      aor: AOR,
      device: 'd',
      provider: 'fcm',
      prid: '',
      param: '',
      purpose: 'refresh',
      ttlSeconds: 30,
    }
    assert.equal(fault('PushMessage', push), undefined)
    assert.ok(fault('PushMessage', { ...push, prid: 't'.repeat(5000) }))
  })
})

test('every action with every field is valid by the schema', () => {
  for (const [action, fields] of Object.entries(EVERY_ACTION)) {
    assert.equal(fault('Answer', { actions: [{ action, ...fields }], context: { any: ['thing'] } }), undefined, action)
  }
})

describe('where schema and validator differ', () => {
  for (const { reason, actions, isAccepted } of EXCEPTIONS) {
    test(`${reason}: accepted ${isAccepted} only`, () => {
      assert.equal(fault('Answer', { actions }) === undefined, isAccepted === 'by the schema')
      assert.equal(validateAnswer({ actions }).ok, isAccepted === 'by the validator')
    })
  }
})

test('random answers are judged alike by the schema and by the validator', () => {
  const answers = new RandomAnswers(seeded(20_260_105))
  const verdicts = { valid: 0, refused: 0 }
  for (let n = 0; n < 20_000; n++) {
    const answer = answers.next()
    const checked = validateAnswer(answer)
    const said = fault('Answer', answer)
    assert.equal(
      said === undefined,
      checked.ok,
      `${n}: ${said} ${JSON.stringify(checked)} ${JSON.stringify(answer)}`.slice(0, 2000),
    )
    verdicts[checked.ok ? 'valid' : 'refused']++
  }
  assert.ok(verdicts.valid > 4000 && verdicts.refused > 4000, JSON.stringify(verdicts))
})

function assertRefused(answer: unknown): void {
  assert.equal(validateAnswer(answer).ok, false)
  assert.notEqual(fault('Answer', answer), undefined)
}
