import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { simulate } from 'rouse/testing'
import { createApp } from '../../../functions/examples/app.ts'
import callPickup from '../../../functions/examples/call-pickup.ts'
import dtmfScreening from '../../../functions/examples/dtmf-screening.ts'
import linear from '../../../functions/examples/linear.ts'
import pushWakeUp from '../../../functions/examples/push-wake-up.ts'

/** The shipped examples, tested as their users would test them. */

const BOB = 'sip:bob@example.com'
const DESK = 'sip:bob@192.0.2.7:5060'
const PHONE = { uri: 'sip:bob@192.0.2.8:5060', instance: 'urn:uuid:phone', push: true, asleep: true }
const awake = { contacts: { [BOB]: [DESK] } }
const sleeping = { contacts: { [BOB]: [PHONE] } }

describe('push-wake-up', () => {
  test('the desk rings at once, the sleeping phone is pushed, joins, and takes the call', async () => {
    const call = await simulate(pushWakeUp, { contacts: { [BOB]: [DESK, PHONE] } }).invite(BOB)
    assert.deepEqual(
      call.actions.map(({ action }) => action),
      ['subscribe', 'push', 'fork', 'halt'],
    )
    assert.deepEqual(call.pushes, [{ aor: BOB, contact: PHONE.uri }])
    const woken = { contact: 'sip:bob@192.0.2.8:5070', instance: PHONE.instance }
    assert.deepEqual(await call.event('contact.registered', woken), [{ action: 'fork', targets: [woken.contact] }])
    await call.answers(woken.contact)
    assert.equal(call.response, 200)
    assert.deepEqual(
      call.branches.map(({ state }) => state),
      ['cancelled', 'cancelled', 'answered'],
    )
  })

  test('nobody is registered and nobody comes within 30 s: 480', async () => {
    const call = await simulate(pushWakeUp).invite(BOB)
    assert.equal(call.state, 'waiting')
    await call.advance('29s')
    assert.equal(call.response, undefined)
    await call.timeout()
    assert.equal(call.response, 480)
  })

  test('without a phone that can be woken the busy desk is the answer', async () => {
    const call = await simulate(pushWakeUp, awake).invite(BOB)
    await call.fails(486)
    assert.equal(call.response, 486)
  })
})

describe('linear', () => {
  test('the desk answers: nothing more happens', async () => {
    const call = await simulate(linear, awake).invite(BOB)
    assert.deepEqual(await call.answers(), [])
    assert.equal(call.state, 'answered')
  })

  test('the desk declines, nobody is woken, the voicemail takes the call', async () => {
    const call = await simulate(linear, awake).invite(BOB)
    await call.fails(486)
    const actions = await call.timeout()
    assert.deepEqual(actions, [{ action: 'fork', targets: ['sip:voicemail@media.example.com'] }])
  })

  test('the phone wakes while it is waited for', async () => {
    const call = await simulate(linear, sleeping).invite(BOB)
    await call.timeout()
    assert.equal(call.pushes.length, 1)
    await call.event('contact.registered', { contact: 'sip:bob@192.0.2.8:5070', instance: PHONE.instance })
    await call.answers()
    assert.equal(call.response, 200)
  })
})

describe('dtmf-screening', () => {
  test('2 lets the caller stay, any other digit ends the call', async () => {
    for (const [digit, state] of [
      ['2', 'answered'],
      ['5', 'ended'],
    ] as const) {
      const call = await simulate(dtmfScreening, awake).invite(BOB)
      await call.answers()
      await call.event('dtmf', { digit })
      assert.equal(call.state, state)
    }
  })
})

describe('call-pickup', () => {
  test('who dials *8bob hears 480, and the call that rings at bob comes to that phone', async () => {
    const simulation = simulate(callPickup, awake)
    const call = await simulation.invite(BOB)
    const carol = { from: 'sip:carol@example.com', contact: 'sip:carol@192.0.2.9:5060' }
    const pickup = await simulation.invite('sip:*8bob@example.com', carol)
    assert.equal(pickup.response, 480)
    assert.deepEqual(
      call.last.map(({ action }) => action),
      ['unsubscribe', 'cancel', 'fork', 'halt'],
    )
    await call.answers(carol.contact)
    assert.equal(call.response, 200)
  })
})

describe('the default app', () => {
  test('a domain that is not ours is 404', async () => {
    const call = await simulate(createApp(), { domains: ['example.com'] }).invite('sip:bob@elsewhere.test')
    assert.equal(call.response, 404)
  })

  test('a MESSAGE waits 15 s for a phone', async () => {
    const call = await simulate(createApp(), { contacts: { [BOB]: [] } }).message(BOB, { body: 'hello' })
    await call.advance('10s')
    await call.event('contact.registered', { contact: DESK })
    await call.answers()
    assert.equal(call.response, 200)
  })
})
