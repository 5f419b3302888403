import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ForkOptions, SipRouter } from 'rouse'
import type { Phone } from '../support/phone.ts'
import { type World, type WorldOptions, world } from '../support/world.ts'

/** fork, cancel and halt, as branches are seen on the wire. */

interface Office {
  w: World
  alice: Phone
  desk: Phone
  tablet: Phone
  mobile: Phone
}

/** bob has three phones: desk and tablet at q 1, mobile at q 0.5. */
async function office(app: SipRouter, options: WorldOptions = {}): Promise<Office> {
  const w = await world({ app, ...options })
  const alice = await w.phone('alice')
  const [desk, tablet, mobile] = await Promise.all(
    ['desk', 'tablet', 'mobile'].map((name) => w.phone(name, { user: 'bob', instance: `urn:uuid:${name}` })),
  )
  await desk!.registers()
  await w.advance(10)
  await tablet!.registers()
  await mobile!.registers({ q: 0.5 })
  w.ladder.clear()
  return { w, alice, desk: desk!, tablet: tablet!, mobile: mobile! }
}

const forking = (options?: ForkOptions) =>
  new SipRouter().invite('/:domain/:user', (call) => call.fork(call.contacts, options))

async function over({ w }: Pick<Office, 'w'>): Promise<void> {
  await w.assertQuiet()
  await w.stop()
}

test('by q, which is the default: equal q in parallel, the next group when all of the first have failed (RFC 3261 16.6, 20.10)', async () => {
  const all = await office(forking())
  const { w, alice, desk, tablet, mobile } = all
  await alice.invites('bob')
  await w.advance(1000)
  await desk.declines(480)
  await tablet.declines(486)
  await mobile.answers()
  w.ladder.assert(`
    10 alice -> gw INVITE bob
    10 gw -> function /invite/example.com/bob
    10 gw -> alice 100
    10 gw -> tablet INVITE bob
    10 tablet -> gw 180
    10 gw -> desk INVITE bob
    10 desk -> gw 180
    10 gw -> alice 180
    10 gw -> alice 180
    1010 desk -> gw 480 INVITE
    1010 gw -> desk ACK
    1010 tablet -> gw 486 INVITE
    1010 gw -> tablet ACK
    1010 gw -> mobile INVITE bob
    1010 mobile -> gw 180
    1010 gw -> alice 180
    1010 mobile -> gw 200 INVITE
    1010 gw -> alice 200 INVITE
    1010 alice -> gw ACK
    1010 gw -> mobile ACK
  `)
  await alice.hangsUp()
  await over(all)
})

test('parallel: every contact rings at once whatever its q; the losers are cancelled (RFC 3261 16.7 step 10)', async () => {
  const all = await office(forking({ mode: 'parallel' }))
  const { w, alice, desk, tablet, mobile } = all
  await alice.invites('bob')
  assert.equal(w.ladder.count('INVITE bob'), 4)
  await mobile.answers()
  assert.equal(desk.incoming[0]?.state, 'ended')
  assert.equal(tablet.incoming[0]?.state, 'ended')
  await alice.hangsUp()
  await over(all)
})

test('sequential with ringFor: each in turn, cancelled when its time is over; the caller hears the best failure (RFC 3261 16.7)', async () => {
  const all = await office(forking({ mode: 'sequential', ringFor: '3s' }))
  const { w, alice } = all
  await alice.invites('bob')
  await w.advance(9000)
  w.ladder.assert(`
    10 alice -> gw INVITE bob
    10 gw -> function /invite/example.com/bob
    10 gw -> alice 100
    10 gw -> tablet INVITE bob
    10 tablet -> gw 180
    10 gw -> alice 180
    3010 gw -> tablet CANCEL
    3010 tablet -> gw 200 CANCEL
    3010 tablet -> gw 487 INVITE
    3010 gw -> desk INVITE bob
    3010 desk -> gw 180
    3010 gw -> tablet ACK
    3010 gw -> alice 180
    6010 gw -> desk CANCEL
    6010 desk -> gw 200 CANCEL
    6010 desk -> gw 487 INVITE
    6010 gw -> mobile INVITE bob
    6010 mobile -> gw 180
    6010 gw -> desk ACK
    6010 gw -> alice 180
    9010 gw -> mobile CANCEL
    9010 mobile -> gw 200 CANCEL
    9010 mobile -> gw 487 INVITE
    9010 gw -> alice 408 INVITE
    9010 alice -> gw ACK
    9010 gw -> mobile ACK
  `)
  await over(all)
})

test('sequential: a busy phone leads to the next at once, and its ringFor starts anew', async () => {
  const all = await office(forking({ mode: 'sequential', ringFor: '3s' }))
  const { w, alice, tablet, desk } = all
  await alice.invites('bob')
  await w.advance(2000)
  await tablet.declines()
  await w.advance(2999)
  assert.equal(desk.ringing.state, 'ringing')
  await desk.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await over(all)
})

test('ringFor of by-q holds for each group', async () => {
  const all = await office(forking({ ringFor: '4s' }))
  const { w, alice, mobile } = all
  await alice.invites('bob')
  await w.advance(4000)
  assert.equal(w.ladder.when('gw -> mobile INVITE'), 4010)
  await mobile.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await over(all)
})

test('a phone that answers in the millisecond in which its ringFor ends gets the call, or is ended by BYE; nobody is left with half a call', async () => {
  for (const order of ['answer first', 'time first'] as const) {
    const all = await office(forking({ mode: 'sequential', ringFor: '3s' }))
    const { w, alice, tablet, desk } = all
    if (order === 'answer first') w.clock.after(3000, () => void tablet.answers())
    await alice.invites('bob')
    await w.advance(2999)
    if (order === 'time first')
      w.clock.after(1, () => (tablet.incoming[0]?.state === 'ringing' ? void tablet.answers() : undefined))
    await w.advance(1)
    if (order === 'answer first') assert.equal(alice.finalStatus, 200)
    else assert.equal(desk.ringing.state, 'ringing')
    if (alice.finalStatus === 200) await alice.hangsUp()
    else await alice.cancels()
    await over(all)
  }
})

test('noReplyFor: a phone that says nothing at all is given up, one that rings is not (RFC 3261 16.8)', async () => {
  const all = await office(forking({ mode: 'sequential', noReplyFor: '2s' }))
  const { w, alice, tablet, desk } = all
  w.network.silent(tablet.options.address, 5060)
  await alice.invites('bob')
  await w.advance(1999)
  assert.equal(desk.incoming.length, 0)
  await w.advance(1)
  assert.equal(desk.ringing.state, 'ringing')
  await w.advance(60_000)
  await desk.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await over(all)
})

test('retryOn: only after those failures the next is tried', async () => {
  const all = await office(forking({ mode: 'sequential', retryOn: [480, 503] }))
  const { w, alice, tablet, desk } = all
  await alice.invites('bob')
  await tablet.declines(480)
  await desk.declines(486)
  assert.equal(alice.finalStatus, 486)
  assert.equal(w.ladder.count('gw -> mobile INVITE'), 0)
  await over(all)
})

test('finalOn: one failure ends the call at once, the others are cancelled, also while it is halted', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) => {
    call.fork(call.contacts, { mode: 'parallel', finalOn: [486] })
    call.halt('60s')
  })
  const all = await office(app)
  const { w, alice, tablet, desk } = all
  await alice.invites('bob')
  await w.advance(1000)
  await desk.declines(480)
  assert.equal(alice.finalStatus, 0)
  await tablet.declines(486)
  w.ladder.assert(
    `
    1010 desk -> gw 480 INVITE
    1010 gw -> desk ACK
    1010 tablet -> gw 486 INVITE
    1010 gw -> tablet ACK
    1010 gw -> mobile CANCEL
    1010 mobile -> gw 200 CANCEL
    1010 mobile -> gw 487 INVITE
    1010 gw -> mobile ACK
    1010 gw -> alice 486 INVITE
    1010 alice -> gw ACK
  `,
    { from: '480' },
  )
  await over(all)
})

test('finalOn []: not even 603 ends the call before every phone has failed (RFC 3261 16.7 step 5)', async () => {
  const all = await office(forking({ mode: 'parallel', finalOn: [] }))
  const { w, alice, tablet, desk, mobile } = all
  await alice.invites('bob')
  await tablet.declines(603)
  assert.equal(w.ladder.count('CANCEL'), 0)
  await desk.declines(486)
  assert.equal(alice.finalStatus, 0)
  await mobile.declines(480)
  assert.equal(alice.finalStatus, 603)
  await over(all)
})

test('6xx ends the call without finalOn: the others are cancelled and the caller hears it when they have ended (RFC 3261 16.7 step 5)', async () => {
  const all = await office(forking({ mode: 'parallel' }))
  const { w, alice, tablet } = all
  await alice.invites('bob')
  w.ladder.clear()
  await tablet.declines(603)
  w.ladder.assert(`
    10 tablet -> gw 603 INVITE
    10 gw -> tablet ACK
    10 gw -> desk CANCEL
    10 desk -> gw 200 CANCEL
    10 desk -> gw 487 INVITE
    10 gw -> mobile CANCEL
    10 mobile -> gw 200 CANCEL
    10 mobile -> gw 487 INVITE
    10 gw -> desk ACK
    10 gw -> mobile ACK
    10 gw -> alice 603 INVITE
    10 alice -> gw ACK
  `)
  await over(all)
})

test('onFailed: a handler is told of each branch that fails, and may try somebody else', async () => {
  const seen: unknown[] = []
  const app = new SipRouter()
  app.invite('/:domain/:user', (call) =>
    call.fork(call.contacts, { mode: 'sequential', onFailed: 'failed', id: 'first' }),
  )
  app.on('failed', (call, branch) => {
    seen.push([branch.uri, branch.status, branch.fork])
    if (branch.status === 486) call.fork('sip:secretary@10.0.0.50')
  })
  const all = await office(app)
  const { w, alice, tablet, desk } = all
  const secretary = await w.phone('secretary', { address: '10.0.0.50' })
  await alice.invites('bob')
  await tablet.declines(480)
  await desk.declines(486)
  await secretary.answers()
  assert.deepEqual(seen, [
    [tablet.shownContact, 480, 'first'],
    [desk.shownContact, 486, 'first'],
  ])
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await over(all)
})

test('headers: remove, set and add on the branch; what is not named stays byte for byte (RFC 3261 16.6)', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) =>
    call.fork(call.contacts[0]!, {
      headers: {
        remove: ['X-Secret'],
        set: { Subject: 'Grüße', 'X-New': '1' },
        add: [
          ['X-Tag', 'three'],
          ['Diversion', '<sip:bob@example.com>;reason=user-busy'],
        ],
      },
    }),
  )
  const all = await office(app)
  const { alice, tablet } = all
  await alice.invites('bob', {
    headers: [
      ['X-Secret', 'a'],
      ['Subject', 'old'],
      ['X-Tag', 'one'],
      ['X-Tag', 'two'],
      ['X-Secret', 'b'],
      ['X-Odd', '  kept ,  as is '],
    ],
  })
  const { invite } = tablet.ringing
  assert.deepEqual(invite.headers('X-Secret'), [])
  assert.deepEqual(invite.headers('Subject'), [Buffer.from('Grüße').toString('latin1')])
  assert.deepEqual(invite.headers('X-New'), ['1'])
  assert.deepEqual(invite.headers('X-Tag'), ['one', 'two', 'three'])
  assert.deepEqual(invite.headers('Diversion'), ['<sip:bob@example.com>;reason=user-busy'])
  assert.ok(invite.text.includes('\r\nX-Odd:   kept ,  as is \r\n'))
  assert.equal(invite.body, alice.outgoing!.invite.body)
  await alice.cancels()
  await over(all)
})

test('a target with its own q, an AOR that stands for its contacts, and a plain URI side by side (RFC 3261 16.5)', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) =>
    call.fork([{ uri: 'sip:bob@10.0.0.60', q: 0.1 }, 'sip:carol@example.com', 'sip:dave@10.0.0.61']),
  )
  const all = await office(app)
  const { w, alice } = all
  const late = await w.phone('late', { address: '10.0.0.60' })
  const carol = await w.phone('carol')
  const dave = await w.phone('dave', { address: '10.0.0.61' })
  await carol.registers()
  w.ladder.clear()
  await alice.invites('support')
  assert.equal(carol.ringing.invite.uri, carol.shownContact)
  assert.equal(dave.ringing.invite.uri, 'sip:dave@10.0.0.61')
  assert.equal(late.incoming.length, 0)
  await carol.declines()
  await dave.declines()
  await late.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await over(all)
})

test('the same contact named twice is tried once (RFC 3261 16.5)', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) => {
    call.fork(call.contacts[0]!)
    call.fork([call.contacts[0]!.uri, call.contacts[0]!])
  })
  const all = await office(app)
  const { w, alice } = all
  await alice.invites('bob')
  assert.equal(w.ladder.count('INVITE bob'), 2)
  await alice.cancels()
  await over(all)
})

test('a fork to nobody is 480 (RFC 3261 16.5)', async () => {
  const all = await office(forking())
  const { alice } = all
  await alice.invites('nobody')
  assert.equal(alice.finalStatus, 480)
  await over(all)
})

test('cancel by contact, then by fork id, then all: with the reason given; the call ends when nothing rings (RFC 3261 9.1, RFC 3326)', async () => {
  const app = new SipRouter()
  app.invite('/:domain/:user', (call) => {
    call.subscribe('order', { call: call.id }, 'order')
    call.fork(call.contacts[0]!, { id: 'one' })
    call.fork(call.contacts[1]!, { id: 'two' })
    call.fork(call.contacts[2]!, { id: 'three' })
  })
  app.on('order', (call, event) => call.cancel({ [event.by]: event.what, reason: 'say "why"' }))
  const all = await office(app)
  const { w, alice, tablet, desk, mobile } = all
  await alice.invites('bob')
  const order = (by: string, what: string) =>
    w.publish('order', { call: alice.outgoing!.invite.header('Call-ID'), by, what })
  w.ladder.clear()
  await order('contact', tablet.shownContact)
  assert.equal(tablet.incoming[0]?.state, 'ended')
  assert.equal(tablet.last(({ method }) => method === 'CANCEL').header('Reason'), 'SIP;text="say \\"why\\""')
  assert.equal(w.ladder.count('CANCEL'), 2)
  await order('fork', 'two')
  assert.equal(desk.incoming[0]?.state, 'ended')
  assert.equal(alice.finalStatus, 0)
  await order('fork', 'three')
  assert.equal(mobile.incoming[0]?.state, 'ended')
  assert.equal(alice.finalStatus, 480)
  await over(all)
})

test('halt: the call is kept open when every branch has failed, and ends at its time with the best failure (RFC 3261 16.7)', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) => {
    call.fork(call.contacts, { mode: 'parallel' })
    call.halt('5s')
  })
  const all = await office(app)
  const { w, alice, tablet, desk, mobile } = all
  await alice.invites('bob')
  for (const phone of [tablet, desk, mobile]) await phone.declines()
  await w.advance(4999)
  assert.equal(alice.finalStatus, 0)
  await w.advance(1)
  assert.equal(alice.finalStatus, 486)
  await over(all)
})

test('halt does not end what rings when its time is over', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) => {
    call.fork(call.contacts)
    call.halt('5s')
  })
  const all = await office(app)
  const { w, alice, tablet } = all
  await alice.invites('bob')
  await w.advance(60_000)
  await tablet.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await over(all)
})

test('nobody picks up and nobody declines: Timer C ends each branch, and the caller hears 408 (RFC 3261 16.8)', async () => {
  const all = await office(forking({ mode: 'parallel' }))
  const { w, alice, tablet } = all
  await alice.invites('bob')
  await w.advance(184_999)
  assert.equal(alice.finalStatus, 0)
  await w.advance(1)
  assert.equal(tablet.incoming[0]?.state, 'ended')
  assert.equal(alice.finalStatus, 408)
  await over(all)
})
