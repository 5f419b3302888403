import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, fromEvent, SipRouter } from 'rouse'
import { FragileLink } from '../support/fragile-link.ts'
import { type World, type WorldOptions, world } from '../support/world.ts'

/** The store loses what it had of a gateway that lives on: its suspended calls are written again, and events of others reach them. */

function routed(handler: (call: Call) => unknown): SipRouter {
  return new SipRouter().invite('/:domain/:user', handler as (call: unknown) => Promise<void>)
}

/** Waits for a word to the user who was called and tells the caller what came. */
const telling = routed(async (call) => {
  const event = await call.wait('word', { to: call.request.uri }, '60s')
  call.reply(480, event ? `heard ${event.word}` : 'nothing came')
})

async function started(app: SipRouter, options: WorldOptions = {}) {
  const fragile = new FragileLink()
  const w = await world({ app, link: fragile.link, ...options })
  const alice = await w.phone('alice')
  return { w, alice, fragile }
}

/** An event from another gateway. @returns how many subscriptions it met */
async function said(w: World, word: string, to = 'bob'): Promise<number> {
  const attributes = { word, to: `sip:${to}@example.com` }
  const event = { id: w.ids.next('event'), type: 'word', time: w.clock.now(), attributes }
  const met = await w.store.publish([event])
  await w.advance(0)
  return met
}

async function end(w: World): Promise<void> {
  await w.assertQuiet()
  assert.equal(w.counters.get('bugs'), 0)
  await w.stop()
}

test('a call that waits is found by an event of another gateway after the store was emptied', async () => {
  const { w, alice, fragile } = await started(telling)
  await alice.invites('bob')
  await w.advance(5000)
  await fragile.loses()
  assert.equal(w.counters.get('store losses'), 1)
  assert.equal(await said(w, 'nothing', 'somebody else'), 0)
  assert.equal(await said(w, 'go'), 1)
  assert.match(alice.outgoing!.final!.start, /heard go/)
  await end(w)
})

test('an event that comes after the store was emptied and before the call is written again counts', async () => {
  const { w, alice, fragile } = await started(telling)
  await alice.invites('bob')
  await w.advance(5000)
  fragile.delayMs = 500
  const lost = fragile.loses()
  await said(w, 'early')
  await lost
  await w.advance(3000)
  assert.match(alice.outgoing!.final!.start, /heard early/)
  await end(w)
})

test('subscriptions are there again as they were: handlers and reactions, once for each event; what was dropped is not', async () => {
  const heard: unknown[] = []
  const app = routed((call) => {
    call.subscribe('word', { to: call.request.uri }, 'heard', { name: 'first' })
    call.subscribe('late', {}, [{ action: 'fork', targets: [fromEvent('contact')] }] as never)
    call.subscribe('gone', {}, 'heard', { name: 'gone' })
    call.unsubscribe('gone')
    call.halt('60s')
  })
  app.on('heard', (_call, event) => void heard.push(event.word))
  const { w, alice, fragile } = await started(app)
  const carol = await w.phone('carol', { address: '10.0.0.77' })
  await alice.invites('bob')
  await said(w, 'one')
  await fragile.loses()
  await said(w, 'two')
  await w.store.publish([{ id: 'e1', type: 'late', time: w.clock.now(), attributes: { contact: 'sip:c@10.0.0.77' } }])
  await w.advance(0)
  assert.deepEqual(heard, ['one', 'two'])
  assert.equal(carol.incoming.length, 1)
  assert.equal(await w.store.publish([{ id: 'e2', type: 'gone', time: w.clock.now(), attributes: {} }]), 0)
  await carol.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await end(w)
})

test('a phone that rings when the store is emptied rings on, also when the gateway is killed afterwards, and is answered', async () => {
  const { w, alice, fragile } = await started(
    routed((call) => {
      call.fork('sip:carol@10.0.0.77')
      call.halt('60s')
    }),
  )
  const carol = await w.phone('carol', { address: '10.0.0.77' })
  await alice.invites('bob')
  await fragile.loses()
  await w.restart()
  await carol.answers()
  assert.equal(alice.finalStatus, 200)
  assert.equal(carol.incoming.length, 1)
  await alice.hangsUp()
  await end(w)
})

test('a call that is talked on when the store is emptied goes on, and hears the events it subscribed to', async () => {
  const app = routed((call) => {
    call.subscribe('dtmf', { callId: call.id }, 'screen')
    call.fork('sip:carol@10.0.0.77')
  })
  app.on('screen', (call, event) => {
    if (event.digit !== '2') call.hangup('fax')
  })
  const { w, alice, fragile } = await started(app)
  const carol = await w.phone('carol', { address: '10.0.0.77' })
  await alice.invites('bob')
  await carol.answers()
  await fragile.loses()
  await carol.presses('2')
  assert.equal(w.gateway.counts().dialogs, 1)
  await carol.presses('5')
  assert.equal(w.gateway.counts().dialogs, 0)
  await w.advance(0)
  assert.deepEqual(await w.store.suspended('gw'), [])
  await end(w)
})

test('a gateway that is killed after its calls were written again takes them up', async () => {
  const { w, alice, fragile } = await started(telling)
  await alice.invites('bob')
  await fragile.loses()
  await w.restart()
  assert.equal(w.counters.get('resumed calls'), 1)
  await fragile.loses()
  assert.equal(await said(w, 'go'), 1)
  assert.match(alice.outgoing!.final!.start, /heard go/)
  await end(w)
})

test('two hundred calls are written again 32 at a time, and a new call does not wait for them', async () => {
  const { w, alice, fragile } = await started(telling, { hides: () => true })
  await Promise.all(Array.from({ length: 200 }, (_, user) => alice.invites(`user${user}`)))
  assert.equal((await w.store.suspended('gw')).length, 200)
  fragile.most.clear()
  fragile.delayMs = 10
  await fragile.loses()
  const carol = await w.phone('carol')
  await carol.invites('bob')
  await w.advance(10)
  assert.ok((await w.store.suspended('gw')).length < 190, 'some are still to be written')
  assert.ok((await w.store.suspended('gw')).some(({ callId }) => callId === carol.outgoing?.invite.header('Call-ID')))
  await w.advance(500)
  assert.equal((await w.store.suspended('gw')).length, 201)
  assert.ok(fragile.most.get('suspend')! <= 33)
  fragile.delayMs = 0
  await end(w)
})

test('the store goes away again while they are written: the rest follows when it is back, and few try in vain meanwhile', async () => {
  const { w, alice, fragile } = await started(telling, { hides: () => true })
  await Promise.all(Array.from({ length: 200 }, (_, user) => alice.invites(`user${user}`)))
  fragile.delayMs = 10
  await fragile.loses()
  await w.advance(25)
  fragile.isAway = true
  const before = w.counters.get('store failures')
  await w.advance(12_000)
  const tries = w.counters.get('store failures') - before
  assert.ok(tries > 0 && tries <= 13 * 2 * 32, `${tries} tries`)
  await fragile.comesBack()
  await w.advance(6000)
  assert.equal((await w.store.suspended('gw')).length, 200)
  fragile.delayMs = 0
  await end(w)
})
