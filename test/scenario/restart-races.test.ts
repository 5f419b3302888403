import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, fromEvent, SipRouter } from 'rouse'
import type { Action } from '../../functions/contract/actions.ts'
import { altered, away } from '../support/altered-store.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { type World, type WorldOptions, world } from '../support/world.ts'
import { sleepingPhone } from './cast.ts'

/** What may happen while a gateway is down, or in the moment it goes down: nothing is lost, nothing happens twice. */

function routed(handler: (call: Call) => unknown): SipRouter {
  return new SipRouter().invite('/:domain/:user', handler as (call: unknown) => Promise<void>)
}

/** Waits for a word and tells the caller in the reason of a 480 what came. */
const telling = routed(async (call) => {
  const event = await call.wait('word', {}, '10s')
  call.reply(480, event ? `heard ${event.word}` : 'nothing came')
})

async function started(app: SipRouter, options: WorldOptions = {}) {
  const w = await world({ app, ...options })
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  w.ladder.clear()
  return { w, alice, phone }
}

/** An event from elsewhere: the store hears of it while the gateway is away. */
async function said(w: World, word: string): Promise<void> {
  const event = { id: w.ids.next('event'), type: 'word', time: w.clock.now(), attributes: { word } }
  await w.store.publish([event])
}

async function end(w: World): Promise<void> {
  await w.assertQuiet()
  assert.equal(w.counters.get('bugs'), 0)
  await w.stop()
}

test('a deadline that passes while the gateway is down: the call times out after the restart, once', async () => {
  const { w, alice } = await started(telling)
  await alice.invites('bob')
  await w.kill()
  await w.advance(15_000)
  await w.restart()
  await w.advance(1000)
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> alice 100
    15000 gw -> alice 100
    15250 gw -> function /invite/example.com/bob wait.timed_out
    15250 gw -> alice 480 INVITE
    15250 alice -> gw ACK
  `)
  assert.match(alice.outgoing!.final!.start, /nothing came/)
  await end(w)
})

test('a deadline after the restart is where it was', async () => {
  const { w, alice } = await started(telling)
  await alice.invites('bob')
  await w.advance(4000)
  await w.restart()
  await w.advance(5999)
  assert.equal(alice.finalStatus, 0)
  await w.advance(1)
  assert.equal(alice.finalStatus, 480)
  await end(w)
})

test('an event that is raised while the gateway is down resumes the call after the restart, also when the deadline has passed since', async () => {
  for (const awayMs of [2000, 15_000]) {
    const { w, alice } = await started(telling)
    await alice.invites('bob')
    await w.kill()
    await w.advance(1000)
    await said(w, 'go')
    await w.advance(awayMs)
    await w.restart()
    await w.advance(20_000)
    assert.match(alice.outgoing!.final!.start, /heard go/)
    assert.equal(w.invocations.length, 2)
    await end(w)
  }
})

test('an event after a deadline that passed while the gateway was down comes too late', async () => {
  const { w, alice } = await started(telling)
  await alice.invites('bob')
  await w.kill()
  await w.advance(12_000)
  await said(w, 'late')
  await w.restart()
  await w.advance(1000)
  assert.match(alice.outgoing!.final!.start, /nothing came/)
  assert.equal(w.invocations.length, 2)
  await end(w)
})

test('event and deadline in one millisecond after a restart: exactly one of them resumes the call, in both orders', async () => {
  for (const order of ['event first', 'deadline first'] as const) {
    const { w, alice } = await started(telling)
    if (order === 'event first') w.clock.after(10_000, () => void said(w, 'go'))
    await alice.invites('bob')
    await w.advance(5000)
    await w.restart()
    await w.advance(4999)
    if (order === 'deadline first') w.clock.after(1, () => void said(w, 'go'))
    await w.advance(1)
    assert.equal(w.invocations.length, 2, order)
    assert.match(alice.outgoing!.final!.start, order === 'event first' ? /heard go/ : /nothing came/)
    await end(w)
  }
})

test('killed while the function is asked what came of a wait: it is asked again, by the same id, with the same event', async () => {
  const clock = new FakeClock()
  let isSlow = false
  const slow = {
    fetch: async (request: Request, env?: unknown) => {
      const response = await telling.fetch(request, env)
      if (isSlow && request.method === 'POST') await new Promise<void>((resolve) => clock.after(1000, resolve))
      return response
    },
  }
  const { w, alice } = await started(telling, { app: slow, clock })
  await alice.invites('bob')
  isSlow = true
  await w.publish('word', { word: 'go' })
  await w.advance(500)
  await w.kill()
  await w.advance(1000)
  isSlow = false
  await w.restart()
  await w.advance(10)
  assert.match(alice.outgoing!.final!.start, /heard go/)
  const [, before, after, ...more] = w.invocations
  assert.equal(more.length, 0)
  assert.equal(after?.id, before?.id)
  assert.deepEqual(after?.data.wait, before?.data.wait)
  assert.equal(after?.data.transaction.seq, before?.data.transaction.seq)
  await end(w)
})

test('killed in the moment in which an event has claimed the wait: the call is resumed with it after the restart', async () => {
  let die = () => {}
  const store = altered((memory) => ({
    resume: async (step) => {
      const won = await memory.resume(step)
      die()
      return won
    },
  }))
  const { w, alice } = await started(telling, { store })
  await alice.invites('bob')
  die = () => void w.kill()
  await said(w, 'go')
  await w.advance(100)
  assert.equal(w.invocations.length, 1)
  die = () => {}
  await w.restart()
  await w.advance(20_000)
  assert.match(alice.outgoing!.final!.start, /heard go/)
  assert.equal(w.invocations.length, 2)
  await end(w)
})

test('killed while a phone rings that was woken: the function is asked again by the same id, and the phone goes on ringing once', async () => {
  const { w, alice, phone } = await started(
    routed(async (call) => {
      const registered = await call.wait('contact.registered', { aor: call.aor }, '25s')
      if (registered) call.fork(registered.contact)
    }),
  )
  await alice.invites('bob')
  await phone.wakes()
  await w.advance(8000)
  await w.kill()
  await w.advance(3000)
  await w.restart()
  const [, asked, again, ...more] = w.invocations
  assert.deepEqual([again?.id, again?.data.wait, more.length], [asked?.id, asked?.data.wait, 0])
  await w.advance(4000)
  await phone.answers()
  assert.equal(phone.incoming.length, 1)
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await end(w)
})

test('killed right after a push was to be sent: it is sent after the restart; killed later, it is not sent again', async () => {
  for (const [livedMs, pushes] of [
    [1000, 2],
    [5000, 1],
  ] as const) {
    const app = routed(async (call) => {
      const registered = call.wait('contact.registered', { aor: call.aor }, '60s')
      call.push()
      const phone = await registered
      if (phone) call.fork(phone.contact)
    })
    const { w, alice, phone } = await started(app)
    await alice.invites('bob')
    await w.advance(livedMs)
    await w.kill()
    await w.advance(10_000)
    await w.restart()
    await w.advance(10_000)
    await w.restart()
    assert.equal(w.pushes.length, pushes)
    await phone.wakes()
    await phone.answers()
    assert.equal(alice.finalStatus, 200)
    await alice.hangsUp()
    await end(w)
  }
})

test('killed before an answer was performed to its end: what is left of it is done after the restart, what was done is not', async () => {
  let lookups = 0
  let dieAt = 0
  let die = () => {}
  const store = altered((memory) => ({
    lookup: (aor) => {
      if (++lookups === dieAt) die()
      return memory.lookup(aor)
    },
  }))
  const app = routed((call) => {
    call.halt('60s')
    call.fork('sip:carol@10.0.0.77')
    call.fork('sip:desk@example.com')
  })
  const { w, alice } = await started(app, { store })
  const desk = await w.phone('desk')
  const carol = await w.phone('carol', { address: '10.0.0.77' })
  await desk.registers()
  // One look-up for the invocation, one for the second fork.
  dieAt = lookups + 2
  die = () => queueMicrotask(() => void w.kill())
  await alice.invites('bob')
  assert.equal(carol.incoming.length, 1)
  assert.equal(desk.incoming.length, 0)
  await w.restart()
  assert.equal(desk.incoming.length, 1)
  assert.equal(carol.incoming.length, 1)
  assert.equal(w.invocations.length, 1)
  await desk.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await end(w)
})

test('a store that is too busy after a restart is asked again: what is left of an answer is done then, and nobody hears 503', async () => {
  let lookups = 0
  let dieAt = 0
  let die = () => {}
  let isBusy = false
  const store = altered((memory) => ({
    lookup: (aor) => {
      if (++lookups === dieAt) die()
      return isBusy ? away() : memory.lookup(aor)
    },
  }))
  const app = routed((call) => {
    call.halt('60s')
    call.fork('sip:desk@example.com')
  })
  const { w, alice } = await started(app, { store })
  const desk = await w.phone('desk')
  await desk.registers()
  dieAt = lookups + 2
  die = () => queueMicrotask(() => void w.kill())
  await alice.invites('bob')
  isBusy = true
  await w.restart()
  await w.advance(2000)
  assert.equal(desk.incoming.length, 0)
  assert.equal(alice.finalStatus, 0)
  isBusy = false
  await w.advance(500)
  assert.equal(desk.incoming.length, 1)
  await desk.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await end(w)
})

test('an inline reaction works after a restart, without the function', async () => {
  const { w, alice, phone } = await started(
    routed((call) => {
      call.subscribe('contact.registered', { aor: call.aor }, [
        { action: 'fork', targets: [fromEvent('contact')] } as never,
      ])
      call.push()
      call.halt('30s')
    }),
  )
  await alice.invites('bob')
  await w.advance(2000)
  await w.restart()
  await phone.wakes()
  await phone.answers()
  assert.equal(alice.finalStatus, 200)
  assert.equal(w.invocations.length, 1)
  await alice.hangsUp()
  await end(w)
})

test('a named handler is invoked after a restart, once for each event, with the data the first handler left', async () => {
  const app = new SipRouter()
  app.invite('/:domain/:user', (call) => {
    call.context.greeting = 'hello'
    call.subscribe('word', {}, 'heard')
    call.halt('30s')
  })
  const heard: unknown[] = []
  app.on('heard', (call, event) => {
    heard.push([(call.context as Record<string, unknown>).greeting, event.word])
    if (event.word === 'end') call.reply(486)
  })
  const { w, alice } = await started(app)
  await alice.invites('bob')
  await said(w, 'one')
  await w.advance(0)
  await w.kill()
  await said(w, 'two')
  await w.restart()
  await said(w, 'end')
  await w.advance(0)
  assert.deepEqual(heard, [
    ['hello', 'one'],
    ['hello', 'two'],
    ['hello', 'end'],
  ])
  assert.equal(alice.finalStatus, 486)
  await end(w)
})

test('records that cannot be read: told and counted once each, released; a caller who can be told hears 503', async () => {
  const { w, alice } = await started(telling)
  await alice.invites('bob')
  const carol = await w.phone('carol')
  await carol.invites('bob')
  await w.kill()
  const [ofAlice, ofCarol] = await w.store.suspended('gw')
  const rewritten = (state: object | string, of: typeof ofAlice) => ({
    transaction: { ...of!, rev: 100, state: typeof state === 'string' ? state : JSON.stringify(state) },
    add: [],
    drop: [],
    since: '0',
  })
  await w.store.suspend(rewritten({ ...JSON.parse(ofAlice!.state), v: 2 }, ofAlice))
  await w.store.suspend(rewritten('no JSON at all', ofCarol))
  await w.restart()
  assert.equal(w.counters.get('suspended calls lost'), 2)
  assert.equal(w.errors.length, 2)
  assert.equal(alice.finalStatus, 503)
  assert.equal(alice.outgoing?.final?.header('Retry-After'), '10')
  assert.equal(carol.finalStatus, 0)
  await carol.retransmits()
  await w.advance(15_000)
  assert.equal(carol.finalStatus, 480)
  await end(w)
})

test('no record breaks the start, whatever is missing in it', async () => {
  const { w, alice } = await started(routed(forkAndWait))
  const desk = await w.phone('desk')
  await desk.registers()
  await alice.invites('desk')
  await w.kill()
  const [held] = await w.store.suspended('gw')
  const whole = JSON.parse(held!.state) as Record<string, unknown>
  const broken = Object.keys(whole).map((field) => ({ ...whole, [field]: undefined }))
  broken.push({ ...whole, proxy: { ...(whole.proxy as object), forks: [] } })
  broken.push({ ...whole, request: 'noise' })
  broken.push({ ...whole, jobs: [{}], works: [{ actions: [{ action: 'nonsense' }], missed: [] }] })
  let rev = 100
  for (const state of broken) {
    const transaction = { ...held!, rev: rev++, state: JSON.stringify(state) }
    await w.store.suspend({ transaction, add: [], drop: [], since: '0' })
    await w.restart()
    await w.advance(200_000)
    await w.kill()
    await w.store.release(held!.id)
  }
  await w.restart()
  await w.assertQuiet()
  await w.stop()
})

function forkAndWait(call: Call): unknown {
  call.fork(call.contacts, { id: 'desk', ringFor: '20s' })
  return call.wait([{ fork: 'desk' }, { event: 'word' }], '30s')
}

test('a call that has been answered goes on with what it has subscribed to', async () => {
  const app = routed((call) => {
    call.subscribe('dtmf', { callId: call.id }, [{ action: 'hangup' } as Action as never])
    call.fork('sip:carol@10.0.0.77')
  })
  const { w, alice } = await started(app)
  const carol = await w.phone('carol', { address: '10.0.0.77' })
  await alice.invites('bob')
  await carol.answers()
  await w.restart()
  assert.equal(w.counters.get('resumed calls'), 1)
  await alice.presses('1')
  for (const phone of [alice, carol]) assert.equal(phone.last(({ isRequest }) => isRequest).method, 'BYE')
  await end(w)
})

test('no record of a call that is talked on breaks the start, whatever is missing in it', async () => {
  const { w, alice } = await started(
    routed((call) => call.fork(call.contacts)),
    { gateway: { cluster: { pool: 'east' } } },
  )
  const desk = await w.phone('desk')
  await desk.registers()
  await alice.invites('desk')
  await desk.answers()
  await w.kill()
  await alice.hangsUp()
  const [held] = await w.store.suspended('gw')
  const whole = JSON.parse(held!.state) as { talk: { dialogs: [Record<string, unknown>] }; request: string }
  const broken: unknown[] = Object.keys(whole).map((field) => ({ ...whole, [field]: undefined }))
  const [dialog] = whole.talk.dialogs
  for (const field of Object.keys(dialog))
    broken.push({ ...whole, talk: { ...whole.talk, dialogs: [{ ...dialog, [field]: undefined }] } })
  broken.push({ ...whole, talk: { ...whole.talk, dialogs: [{ ...dialog, answer: 'noise' }] } })
  broken.push({ ...whole, talk: { ...whole.talk, dialogs: [] } })
  let rev = 100
  for (const state of broken) {
    const transaction = { ...held!, rev: rev++, state: JSON.stringify(state) }
    await w.store.suspend({ transaction, add: [], drop: [], since: '0' })
    const starting = w.start()
    await w.advance(7000)
    await starting
    await w.advance(1_000_000)
    assert.deepEqual([w.gateway.counts().calls, w.gateway.counts().timers, w.counters.get('bugs')], [0, 0, 0])
    await w.kill()
    await w.store.release(held!.id)
  }
  const starting = w.start()
  await w.advance(7000)
  await starting
  await w.assertQuiet(1_000_000)
  await w.stop()
})

test('no token of a push provider is in what is written down', async () => {
  let states = ''
  const store = altered((memory) => ({
    suspend: (step) => {
      states += step.transaction.state
      return memory.suspend(step)
    },
  }))
  const app = routed(async (call) => {
    call.push()
    call.fork(call.contacts, { mode: 'sequential' })
    const contacts = await call.lookup(call.aor)
    const phone = await call.wait('contact.registered', { aor: call.aor }, '25s')
    call.fork(phone?.contact ?? contacts[0]!.uri)
  })
  const { w, alice, phone } = await started(app, { store })
  await alice.invites('bob')
  await phone.wakes()
  await phone.answers()
  await alice.hangsUp()
  assert.ok(states.includes('urn:uuid:phone'))
  assert.ok(!states.includes('token-of-phone'))
  await end(w)
})

test('a call that never waits is not written down', async () => {
  const { w, alice, phone } = await started(routed((call) => call.fork(call.contacts)))
  await phone.wakes()
  await alice.invites('bob')
  await phone.answers()
  await alice.hangsUp()
  assert.deepEqual(w.writes, { suspend: 0, resume: 0, release: 0 })
  await end(w)
})

test('the store does not take a write: the call goes on, and it is written again until it is taken', async () => {
  let isAway = false
  const store = altered((memory) => ({
    suspend: (step) => (isAway ? away() : memory.suspend(step)),
    release: (transaction) => (isAway ? away() : memory.release(transaction)),
  }))
  const app = routed((call) => {
    call.fork('sip:carol@10.0.0.77')
    call.halt('60s')
  })
  const { w, alice } = await started(app, { store })
  const carol = await w.phone('carol', { address: '10.0.0.77', rings: false })
  await alice.invites('bob')
  isAway = true
  carol.respond(carol.ringing.invite, 180, { tag: 'late' })
  await w.advance(12_000)
  assert.equal(alice.finalStatus, 0)
  isAway = false
  await w.advance(5000)
  await w.kill()
  assert.match((await w.store.suspended('gw'))[0]!.state, /SIP\/2\.0 180/)
  await w.restart()
  isAway = true
  await carol.declines(603)
  assert.equal(alice.finalStatus, 603)
  isAway = false
  await end(w)
})

test('the store does not take what a call waits for: it is given again, and an event that came meanwhile counts', async () => {
  let isAway = true
  const store = altered((memory) => ({ suspend: (step) => (isAway ? away() : memory.suspend(step)) }))
  const { w, alice } = await started(telling, { store })
  await alice.invites('bob')
  await w.advance(3000)
  isAway = false
  await said(w, 'go')
  await w.advance(3000)
  assert.match(alice.outgoing!.final!.start, /heard go/)
  await end(w)
})
