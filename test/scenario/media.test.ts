import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SipRouter } from 'rouse'
import type { Media } from '../../functions/contract/actions.ts'
import type { FakeEngine } from '../support/fake-engine.ts'
import { SDP } from '../support/phone.ts'
import type { WireMessage } from '../support/wire.ts'
import { type World, type WorldOptions, world } from '../support/world.ts'
import { sleepingPhone } from './cast.ts'

/** Forks with media: what rtpengines are told, in what order, and what phones get to see. */

const SDP_TYPE: [string, string] = ['Content-Type', 'application/sdp']

function relayed(media: Media = 'rtpengine', options: { ringFor?: string } = {}): SipRouter {
  const sip = new SipRouter()
  sip.invite('/:domain/:user', (call) => call.fork(call.contacts, { media, ...options }))
  return sip
}

async function scene(options: WorldOptions & { callees?: string[] } = {}) {
  const w = await world({ app: relayed(), engines: 1, ...options })
  await w.advance(0)
  const alice = await w.phone('alice')
  const phones = []
  for (const name of options.callees ?? ['bob']) {
    const phone = await w.phone(name, { user: 'bob' })
    await phone.registers()
    phones.push(phone)
  }
  w.ladder.clear()
  w.ladder.beginsNow()
  return { w, alice, bob: phones[0]!, phones, engine: w.engines[0]! }
}

/** Where a message says that its sender takes media. */
function mediaOf({ body }: WireMessage): string {
  return `${/c=IN IP4 (\S+)/.exec(body)?.[1]}:${/m=audio (\d+)/.exec(body)?.[1]}`
}

const isOk = ({ status, method }: WireMessage) => status === 200 && method === 'INVITE'

async function end(w: World): Promise<void> {
  await w.assertQuiet()
  for (const engine of w.engines) assert.deepEqual([...engine.calls], [], `${engine.address} has let go of every call`)
  assert.deepEqual(w.errors, [])
  await w.stop()
}

test('offer before the INVITE, answer before the 200, delete at the BYE; each end sees the rtpengine alone (RFC 3264)', async () => {
  const { w, alice, bob, engine } = await scene()
  await alice.invites('bob')
  await w.advance(1000)
  await bob.answers()
  await w.advance(1000)
  await bob.hangsUp()
  w.ladder.assert(`
       0 alice -> gw INVITE bob
       0 gw -> function /invite/example.com/bob
       0 gw -> alice 100
       0 gw -> rtpengine offer
       0 gw -> bob INVITE bob
       0 bob -> gw 180
       0 gw -> alice 180
    1000 bob -> gw 200 INVITE
    1000 gw -> rtpengine answer
    1000 gw -> alice 200 INVITE
    1000 alice -> gw ACK
    1000 gw -> bob ACK
    2000 bob -> gw BYE
    2000 gw -> alice BYE
    2000 alice -> gw 200 BYE
    2000 gw -> bob 200 BYE
    2000 gw -> rtpengine delete
  `)
  assert.equal(mediaOf(bob.incoming[0]!.invite), '10.0.9.1:30000')
  assert.equal(mediaOf(alice.last(isOk)), '10.0.9.1:30002')
  for (const message of [bob.incoming[0]!.invite, alice.last(isOk)])
    assert.equal(Number(message.header('Content-Length')), message.body.length)
  const [offer, answer, deleted] = engine.asked
  assert.equal(offer!.values['call-id'], answer!.values['call-id'])
  assert.equal(offer!.values['call-id'], deleted!.values['call-id'])
  assert.ok(offer!.values['call-id']!.endsWith(`;${alice.outgoing!.invite.header('Call-ID')}`))
  assert.equal(offer!.values['from-tag'], alice.outgoing!.invite.tag('From'))
  assert.equal(answer!.values['from-tag'], alice.outgoing!.invite.tag('From'))
  assert.equal(answer!.values['to-tag'], alice.outgoing!.final!.tag('To'))
  await end(w)
})

test('a fork without media costs no rtpengine anything, and its dialogs have no media parameter', async () => {
  const sip = new SipRouter()
  sip.invite('/:domain/:user', (call) => call.fork(call.contacts))
  const { w, alice, bob, engine } = await scene({ app: sip })
  await alice.invites('bob')
  await bob.answers()
  await alice.sendsInDialog('INVITE', { headers: [SDP_TYPE], body: SDP })
  await bob.answers()
  await alice.hangsUp()
  assert.deepEqual(engine.asked, [])
  assert.doesNotMatch(bob.incoming[0]!.invite.text, /;media=/)
  await end(w)
})

test('each branch has a call of its own at the rtpengine: who loses is let go of by itself (RFC 3261 16.7)', async () => {
  const { w, alice, phones, engine } = await scene({ callees: ['desk', 'mobile'] })
  const [desk, mobile] = phones
  await alice.invites('bob')
  assert.equal(engine.calls.size, 2)
  assert.notEqual(mediaOf(desk!.ringing.invite), mediaOf(mobile!.ringing.invite))
  w.ladder.clear()
  await mobile!.answers()
  w.ladder.assert(`
    0 mobile -> gw 200 INVITE
    0 gw -> rtpengine answer
    0 gw -> alice 200 INVITE
    0 alice -> gw ACK
    0 gw -> desk CANCEL
    0 desk -> gw 200 CANCEL
    0 desk -> gw 487 INVITE
    0 gw -> mobile ACK
    0 gw -> desk ACK
    0 gw -> rtpengine delete
  `)
  assert.equal(engine.calls.size, 1)
  await alice.hangsUp()
  await end(w)
})

test('a phone that declines, and a caller who gives up: nothing is left at the rtpengine', async () => {
  const { w, alice, bob } = await scene()
  await alice.invites('bob')
  await bob.declines()
  assert.equal(alice.finalStatus, 486)
  assert.equal(w.ladder.count('rtpengine delete'), 1)
  await alice.invites('bob')
  await alice.cancels()
  assert.equal(alice.finalStatus, 487)
  assert.equal(w.ladder.count('rtpengine delete'), 2)
  await end(w)
})

test('early media goes by way of the rtpengine, and a 180 that comes after it does not overtake it', async () => {
  const { w, alice, bob, engine } = await scene()
  bob.options.rings = false
  await alice.invites('bob')
  const { invite, tag } = bob.ringing
  engine.held.add('answer')
  bob.respond(invite, 183, { tag, body: SDP })
  bob.respond(invite, 180, { tag })
  await w.advance(50)
  assert.equal(w.ladder.count('gw -> alice 18'), 0)
  await engine.releases()
  assert.deepEqual(
    alice.received.map(({ status }) => status),
    [100, 183, 180],
  )
  assert.equal(mediaOf(alice.last(({ status }) => status === 183)), '10.0.9.1:30002')
  await bob.answers()
  await alice.hangsUp()
  await end(w)
})

test('a phone that rings on and on while the rtpengine is asked: what is too much is dropped, and its 200 is not', async () => {
  const { w, alice, bob, engine } = await scene()
  bob.options.rings = false
  await alice.invites('bob')
  const { invite, tag } = bob.ringing
  engine.held.add('answer')
  for (let count = 0; count < 100; count++)
    bob.respond(invite, 183, { tag, body: SDP.replace('4000', String(4000 + 2 * count)) })
  await bob.answers()
  await engine.releases()
  assert.equal(alice.finalStatus, 200)
  assert.equal(alice.received.filter(({ status }) => status === 183).length, 16)
  await alice.hangsUp()
  await end(w)
})

test('a phone that is woken by a push has its own offer when it comes (RFC 8599)', async () => {
  const app = new SipRouter()
  app.invite('/:domain/:user', (call) => {
    call.subscribe('contact.registered', { aor: call.aor }, 'late', { for: '30s' })
    call.push()
    call.fork(call.contacts, { media: 'rtpengine' })
    call.halt('30s')
  })
  app.on('late', (call, event) => call.fork(String(event.contact), { media: 'rtpengine' }))
  const { w, alice, engine } = await scene({ app, callees: ['desk'] })
  const mobile = await sleepingPhone(w, 'mobile', { user: 'bob' })
  await alice.invites('bob')
  await w.advance(2000)
  await mobile.wakes()
  await mobile.answers()
  assert.equal(
    new Set(engine.asked.map(({ values }) => values['call-id'])).size,
    engine.asked.filter(({ command }) => command === 'offer').length,
  )
  assert.match(mediaOf(alice.last(isOk)), /^10\.0\.9\.1:/)
  assert.equal(engine.calls.size, 1)
  await alice.hangsUp()
  await end(w)
})

test('a 200 that is repeated is the same to the caller, and the rtpengine is asked once', async () => {
  const { w, alice, bob, engine } = await scene()
  await alice.invites('bob')
  const { invite, tag } = bob.ringing
  engine.held.add('answer')
  await bob.answers()
  bob.respond(invite, 200, { tag, body: SDP })
  await engine.releases()
  bob.respond(invite, 200, { tag, body: SDP })
  await w.advance(0)
  const answers = alice.received.filter(isOk)
  assert.equal(answers.length, 3)
  assert.equal(new Set(answers.map(mediaOf)).size, 1)
  assert.equal(w.ladder.count('rtpengine answer'), 1)
  await alice.hangsUp()
  await end(w)
})

test('a re-INVITE of either end is offered and answered, to the same call at the rtpengine', async () => {
  const { w, alice, bob, engine } = await scene()
  await alice.invites('bob')
  await bob.answers()
  const held = SDP.replace('m=audio 4000', 'm=audio 4002')
  await bob.sendsInDialog('INVITE', { headers: [SDP_TYPE], body: held })
  assert.match(mediaOf(alice.ringing.invite), /^10\.0\.9\.1:/)
  await alice.answers()
  await alice.sendsInDialog('UPDATE', { headers: [SDP_TYPE], body: SDP })
  await w.advance(0)
  const [first, , offer, answer, update] = engine.asked
  assert.deepEqual(
    engine.asked.map(({ command }) => command),
    ['offer', 'answer', 'offer', 'answer', 'offer'],
  )
  for (const each of engine.asked) assert.equal(each.values['call-id'], first!.values['call-id'])
  assert.equal(offer!.values['from-tag'], alice.outgoing!.final!.tag('To'), 'who offers is who is named first')
  assert.equal(answer!.values['from-tag'], offer!.values['from-tag'])
  assert.equal(update!.values['from-tag'], first!.values['from-tag'])
  await alice.hangsUp()
  await end(w)
})

/** What each of the last things an rtpengine was asked said, as the port that its sender takes audio at. */
const askedLast = ({ engine }: { engine: FakeEngine }, count: number) =>
  engine.asked.slice(-count).map(({ command, values }) => `${command} ${/m=audio (\d+)/.exec(values.sdp ?? '')?.[1]}`)

async function talking(options: WorldOptions = {}) {
  const all = await scene(options)
  all.alice.offer = SDP.replace('m=audio 4000', 'm=audio 4100')
  await all.alice.invites('bob')
  await all.bob.answers()
  return all
}

const MOVED = { headers: [SDP_TYPE], body: SDP.replace('m=audio 4000', 'm=audio 4002') }

test('a re-INVITE that is declined changes nothing: the rtpengine goes by what was agreed again (RFC 3261 14.1)', async () => {
  const all = await talking()
  const { w, alice, bob, engine } = all
  const { 'from-tag': caller, 'to-tag': callee } = engine.asked[1]!.values
  await bob.sendsInDialog('INVITE', MOVED)
  await alice.declines(488)
  assert.deepEqual(askedLast(all, 3), ['offer 4002', 'offer 4100', 'answer 4000'])
  const [offer, answer] = engine.asked.slice(-2)
  for (const { values } of [offer!, answer!]) {
    assert.deepEqual([values['from-tag'], values['to-tag']], [caller, callee])
    assert.equal(values['call-id'], engine.asked[0]!.values['call-id'])
  }
  await alice.hangsUp()
  await end(w)
})

test('what a re-INVITE has changed is what a later one, that is declined, leaves as it is', async () => {
  const all = await talking()
  const { w, alice, bob } = all
  await bob.sendsInDialog('INVITE', MOVED)
  await alice.answers()
  await alice.sendsInDialog('INVITE', { headers: [SDP_TYPE], body: SDP.replace('m=audio 4000', 'm=audio 4102') })
  await bob.declines(488)
  assert.deepEqual(askedLast(all, 3), ['offer 4102', 'offer 4002', 'answer 4000'])
  await alice.hangsUp()
  await end(w)
})

test('both ends offer at once and both get 491: the rtpengine goes by what was agreed again', async () => {
  const all = await talking()
  const { w, alice, bob } = all
  await bob.sendsInDialog('INVITE', MOVED)
  await alice.sendsInDialog('INVITE', { headers: [SDP_TYPE], body: SDP.replace('m=audio 4000', 'm=audio 4102') })
  await alice.declines(491)
  await bob.declines(491)
  assert.deepEqual(askedLast(all, 2), ['offer 4100', 'answer 4000'])
  await alice.hangsUp()
  await end(w)
})

test('the next re-INVITE waits until the rtpengine goes by what was agreed again', async () => {
  const all = await talking()
  const { w, alice, bob, engine } = all
  await bob.sendsInDialog('INVITE', MOVED)
  engine.held.add('offer')
  await alice.declines(488)
  await bob.sendsInDialog('INVITE', { ...MOVED, body: SDP.replace('m=audio 4000', 'm=audio 4004') })
  assert.deepEqual(askedLast(all, 2), ['offer 4002', 'offer 4100'])
  await engine.releases()
  assert.deepEqual(askedLast(all, 4), ['offer 4002', 'offer 4100', 'answer 4000', 'offer 4004'])
  await alice.answers()
  await alice.hangsUp()
  await end(w)
})

test('a re-INVITE that fails since its call is over leaves no call at the rtpengine, in both orders', async () => {
  for (const isHeld of [false, true]) {
    const { w, alice, bob, engine } = await talking()
    await bob.sendsInDialog('INVITE', MOVED)
    if (isHeld) {
      engine.held.add('offer')
      await alice.declines(487)
    }
    await alice.hangsUp()
    if (isHeld) await engine.releases()
    else await alice.declines(487)
    await w.advance(1000)
    assert.deepEqual([...engine.calls], [])
    await end(w)
  }
})

test('without offer at first, then a re-INVITE that is declined: what the 200 offered and the ACK answered goes on', async () => {
  const all = await scene()
  const { w, alice, bob } = all
  alice.offer = ''
  alice.ackBody = SDP.replace('m=audio 4000', 'm=audio 4100')
  await alice.invites('bob')
  await bob.answers()
  await alice.sendsInDialog('INVITE', MOVED)
  await bob.declines(488)
  assert.deepEqual(askedLast(all, 3), ['offer 4002', 'offer 4000', 'answer 4100'])
  await alice.hangsUp()
  await end(w)
})

test('an INVITE without offer: the 200 has it, and the ACK the answer (RFC 3261 13.2.1)', async () => {
  const { w, alice, bob, engine } = await scene()
  alice.offer = ''
  alice.ackBody = SDP
  await alice.invites('bob')
  await bob.answers()
  assert.match(mediaOf(alice.last(isOk)), /^10\.0\.9\.1:/)
  const ack = bob.last(({ method }) => method === 'ACK')
  assert.match(mediaOf(ack), /^10\.0\.9\.1:/)
  const [offer, answer] = engine.asked
  assert.deepEqual([offer!.command, answer!.command], ['offer', 'answer'])
  assert.equal(offer!.values['from-tag'], alice.outgoing!.final!.tag('To'))
  assert.equal(answer!.values['from-tag'], offer!.values['from-tag'])
  assert.equal(answer!.values['to-tag'], alice.outgoing!.invite.tag('From'))
  await bob.hangsUp()
  await end(w)
})

test('an INVITE without offer, and a reliable 183 with it: the PRACK has the answer (RFC 3262 5)', async () => {
  const { w, alice, bob, engine } = await scene()
  alice.offer = ''
  bob.options.rings = false
  await alice.invites('bob')
  const { invite, tag } = bob.ringing
  bob.respond(invite, 183, {
    tag,
    body: SDP,
    headers: [
      ['Require', '100rel'],
      ['RSeq', '1'],
    ],
  })
  await w.advance(0)
  const early = alice.last(({ status }) => status === 183)
  assert.match(mediaOf(early), /^10\.0\.9\.1:/)
  const prack = alice
    .outgoing!.invite.text.replace(/^INVITE \S+/, `PRACK ${bob.shownContact}`)
    .replace(/branch=[^;]+/, 'branch=z9hG4bK-prack')
    .replace('CSeq: 1 INVITE', `CSeq: 2 PRACK\r\nRoute: ${early.header('Record-Route')}`)
    .replace(/To: [^\r]+/, `To: ${early.header('To')}`)
    .replace(
      /Content-Length: 0\r\n\r\n/,
      `Content-Type: application/sdp\r\nContent-Length: ${SDP.length}\r\n\r\n${SDP}`,
    )
  alice.send(prack)
  await w.advance(0)
  assert.match(mediaOf(bob.last(({ method }) => method === 'PRACK')), /^10\.0\.9\.1:/)
  assert.deepEqual(
    engine.asked.map(({ command, values }) => `${command} ${values['from-tag'] === tag ? 'bob' : 'alice'}`),
    ['offer bob', 'query alice', 'answer bob'],
  )
  bob.ringing.state = 'answered'
  bob.respond(invite, 200, { tag })
  await w.advance(0)
  await bob.hangsUp()
  await end(w)
})

test('a far end that forks answers twice: the media of its branch is let go of with the last of the two calls', async () => {
  const { w, alice, bob, engine } = await scene()
  await alice.invites('bob')
  const { invite } = bob.ringing
  await bob.answers()
  bob.respond(invite, 200, { tag: 'another', body: SDP.replace('4000', '5000') })
  await w.advance(0)
  const [first, second] = alice.received.filter(isOk)
  assert.notEqual(mediaOf(first!), mediaOf(second!))
  assert.equal(w.gateway.counts().dialogs, 2)
  await bob.hangsUp()
  assert.equal(engine.calls.size, 1)
  alice.outgoing!.final = second!
  await alice.hangsUp()
  await end(w)
})

test('a hangup from the middle lets go of the media, too', async () => {
  const app = new SipRouter()
  app.invite('/:domain/:user', (call) => {
    call.subscribe('dtmf', { callId: call.id }, 'screen')
    call.fork(call.contacts, { media: 'rtpengine' })
  })
  app.on('screen', (call, event) => {
    if (event.digit !== '2') call.hangup('not the digit')
  })
  const { w, alice, bob, engine } = await scene({ app })
  await alice.invites('bob')
  await bob.answers()
  const callid = engine.asked[0]!.values['call-id']
  const report = (event: number) =>
    JSON.stringify({
      callid,
      source_tag: 'x',
      tags: ['x'],
      type: 'DTMF',
      timestamp: 1,
      event,
      duration: 120,
      volume: 10,
    })
  w.ladder.clear()
  await w.logsDigit(report(1), '10.0.9.9')
  await w.logsDigit(report(2))
  assert.equal(w.gateway.counts().dialogs, 1, 'a stranger presses nothing, and 2 is right')
  await w.logsDigit(report(1))
  w.ladder.assert(`
    0 gw -> function /on/screen subscription.matched
    0 gw -> function /on/screen subscription.matched
    0 gw -> rtpengine delete
    0 gw -> alice BYE
    0 alice -> gw 200 BYE
    0 gw -> bob BYE
    0 bob -> gw 200 BYE
  `)
  await end(w)
})

test('a phone that rang and is gone: its media is let go of once its CANCEL has come to nothing, long after the call', async () => {
  const { w, alice, phones, engine } = await scene({ callees: ['desk', 'mobile'] })
  await alice.invites('bob')
  await phones[1]!.vanish()
  await phones[0]!.answers()
  await alice.hangsUp()
  assert.equal(engine.calls.size, 1)
  await end(w)
})

test('the gateway ends while a phone rings, and no store outlives it: nothing is left at the rtpengine', async () => {
  const { w, alice, engine } = await scene()
  await alice.invites('bob')
  assert.equal(engine.calls.size, 1)
  const stopped = w.stop()
  await w.advance(100)
  await stopped
  assert.equal(engine.calls.size, 0)
})

// Races

test('CANCEL while the offer is outstanding: 487, no INVITE goes out, and what the rtpengine has begun is let go of', async () => {
  const { w, alice, engine } = await scene()
  engine.held.add('offer')
  await alice.invites('bob')
  await alice.cancels()
  assert.equal(alice.finalStatus, 487)
  await engine.releases()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> alice 100
    0 gw -> rtpengine offer
    0 alice -> gw CANCEL
    0 gw -> alice 200 CANCEL
    0 gw -> alice 487 INVITE
    0 alice -> gw ACK
    0 gw -> rtpengine delete
  `)
  await end(w)
})

test('CANCEL while the answer to the 200 is outstanding: 487 to the caller; the phone gets ACK and BYE (RFC 3261 16.7 step 5)', async () => {
  const { w, alice, bob, engine } = await scene()
  await alice.invites('bob')
  engine.held.add('answer')
  await bob.answers()
  w.ladder.clear()
  await alice.cancels()
  await engine.releases()
  w.ladder.assert(`
    0 alice -> gw CANCEL
    0 gw -> alice 200 CANCEL
    0 gw -> alice 487 INVITE
    0 alice -> gw ACK
    0 gw -> rtpengine delete
    0 gw -> bob ACK
    0 gw -> bob BYE
    0 bob -> gw 200 BYE
  `)
  await end(w)
})

test('the 200 is through when the CANCEL comes: the caller has his call', async () => {
  const { w, alice, bob, engine } = await scene()
  await alice.invites('bob')
  engine.held.add('answer')
  await bob.answers()
  await engine.releases()
  await alice.cancels()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await end(w)
})

test('two phones answer while both answers are outstanding: both are passed on, each with media of its own (RFC 3261 13.2.2.4)', async () => {
  const { w, alice, phones, engine } = await scene({ callees: ['desk', 'mobile'] })
  await alice.invites('bob')
  engine.held.add('answer')
  for (const phone of phones) await phone.answers()
  await engine.releases()
  const answers = alice.received.filter(isOk)
  assert.equal(answers.length, 2)
  assert.equal(new Set(answers.map(mediaOf)).size, 2)
  for (const phone of phones) await phone.hangsUp()
  await end(w)
})

test('the ring time is over while the offer is outstanding: the fork goes on without that branch', async () => {
  const { w, alice, engine } = await scene({ app: relayed('rtpengine', { ringFor: '500ms' }) })
  engine.held.add('offer')
  await alice.invites('bob')
  await w.advance(500)
  await engine.releases()
  assert.equal(w.ladder.count('gw -> bob INVITE'), 0)
  assert.equal(alice.finalStatus, 408)
  await end(w)
})

// Trouble

test('no rtpengine is there: 503 with Retry-After at once, and nobody rings', async () => {
  const { w, alice, engine } = await scene()
  engine.state = 'refusing'
  await alice.invites('bob')
  assert.equal(alice.finalStatus, 503)
  assert.equal(alice.outgoing!.final!.header('Retry-After'), '10')
  assert.equal(w.ladder.count('gw -> bob'), 0)
  engine.state = 'there'
  await w.advance(2000)
  await alice.invites('bob')
  assert.equal(w.ladder.count('gw -> bob INVITE'), 1)
  await alice.cancels()
  await end(w)
})

test('an rtpengine that says nothing: 503 after the time-out, four tries later', async () => {
  const { w, alice, engine } = await scene()
  engine.state = 'silent'
  await alice.invites('bob')
  await w.advance(999)
  assert.equal(alice.finalStatus, 0)
  await w.advance(1)
  assert.equal(alice.finalStatus, 503)
  await end(w)
})

test('`ifAway: "pass"`: the phones talk directly while no rtpengine is there', async () => {
  const app = relayed({ engine: 'rtpengine', ifAway: 'pass' })
  const { w, alice, bob, engine } = await scene({ app })
  engine.state = 'refusing'
  await alice.invites('bob')
  assert.equal(bob.ringing.invite.body, SDP)
  assert.doesNotMatch(bob.ringing.invite.text, /;media=/)
  await bob.answers()
  assert.equal(alice.last(isOk).body, SDP)
  engine.state = 'there'
  await alice.sendsInDialog('INVITE', { headers: [SDP_TYPE], body: SDP })
  assert.equal(bob.ringing.invite.body, SDP, 'and go on so')
  await bob.answers()
  await alice.hangsUp()
  assert.deepEqual(engine.asked, [])
  await end(w)
})

test('the rtpengine that a call belongs to is away: the next one takes it, and the caller hears nothing of it', async () => {
  const { w, alice, bob } = await scene({ engines: 2 })
  await alice.invites('bob')
  const first = w.engines.find(({ asked }) => asked.length > 0)!
  const second = w.engines.find((engine) => engine !== first)!
  await alice.cancels()
  first.state = 'refusing'
  for (let call = 0; call < 8; call++) {
    await alice.invites('bob')
    await bob.answers()
    assert.match(mediaOf(alice.last(isOk)), new RegExp(`^${second.address}`))
    await alice.hangsUp()
  }
  await end(w)
})

test('an rtpengine that answers too late: the next one has taken the call, and the first one lets go of it', async () => {
  const { w, alice, bob } = await scene({ engines: 2 })
  await alice.invites('bob')
  await alice.cancels()
  const slow = w.engines.find(({ asked }) => asked.length > 0)!
  const other = w.engines.find((engine) => engine !== slow)!
  const calls = 12
  slow.held.add('offer')
  for (let call = 0; call < calls && slow.calls.size === 0; call++) {
    await alice.invites('bob')
    if (slow.calls.size === 0) await alice.cancels()
  }
  assert.equal(slow.calls.size, 1)
  await w.advance(1000)
  assert.match(mediaOf(bob.ringing.invite), new RegExp(`^${other.address}`))
  assert.equal(slow.calls.size, 0)
  await slow.releases()
  await bob.answers()
  await alice.hangsUp()
  await end(w)
})

test('the rtpengine dies between offer and answer: who has answered gets ACK and BYE, and the caller 503', async () => {
  const { w, alice, bob, engine } = await scene()
  await alice.invites('bob')
  engine.restarts()
  engine.state = 'refusing'
  w.ladder.clear()
  await bob.answers()
  w.ladder.assert(`
    0 bob -> gw 200 INVITE
    0 gw -> alice 503 INVITE
    0 alice -> gw ACK
    0 gw -> bob ACK
    0 gw -> bob BYE
    0 bob -> gw 200 BYE
  `)
  await end(w)
})

test('the rtpengine dies before a 183: without early media the phone still rings, and its 200 decides', async () => {
  const { w, alice, bob, engine } = await scene()
  bob.options.rings = false
  await alice.invites('bob')
  engine.state = 'refusing'
  const { invite, tag } = bob.ringing
  bob.respond(invite, 183, { tag, body: SDP })
  await w.advance(0)
  const early = alice.last(({ status }) => status === 183)
  assert.equal(early.body, '')
  assert.equal(early.header('Content-Type'), '')
  engine.state = 'there'
  await bob.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await end(w)
})

test('an rtpengine that was started anew learns of a call by its next re-INVITE', async () => {
  const { w, alice, bob, engine } = await scene()
  await alice.invites('bob')
  await bob.answers()
  engine.restarts()
  await alice.sendsInDialog('INVITE', { headers: [SDP_TYPE], body: SDP })
  assert.match(mediaOf(bob.ringing.invite), /^10\.0\.9\.1:/)
  await bob.answers()
  assert.equal(engine.calls.size, 1)
  await alice.hangsUp()
  await end(w)
})

test('an rtpengine that will not: 503; when it is the session description, 488', async () => {
  const { w, alice, engine } = await scene()
  engine.refusal = 'Ran out of ports'
  await alice.invites('bob')
  assert.equal(alice.finalStatus, 503)
  engine.refusal = 'Failed to parse SDP'
  await alice.invites('bob')
  assert.equal(alice.finalStatus, 488)
  await end(w)
})

test('a fork asks for media, and the gateway knows no rtpengine: 503, and who watches is told; with `ifAway: "pass"` it goes on', async () => {
  const { w, alice, bob } = await scene({ engines: 0 })
  await alice.invites('bob')
  assert.equal(alice.finalStatus, 503)
  assert.equal(bob.incoming.length, 0)
  assert.equal(w.counters.get('media.unavailable'), 1)
  await end(w)
  const passing = await scene({ engines: 0, app: relayed({ engine: 'rtpengine', ifAway: 'pass' }) })
  await passing.alice.invites('bob')
  assert.equal(passing.bob.ringing.invite.body, SDP)
  await passing.alice.cancels()
  await end(passing.w)
})

// A gateway that is killed

function waiting(): SipRouter {
  const sip = new SipRouter()
  sip.invite('/:domain/:user', async (call) => {
    call.fork(call.contacts, { media: 'rtpengine' })
    if (await call.wait('never', { callId: call.id }, '60s')) call.reply(500)
  })
  return sip
}

test('killed while it rings: the next process has the 200 answered by the same rtpengine, and lets go of the call at its end', async () => {
  const { w, alice, bob, engine } = await scene({ app: waiting() })
  await alice.invites('bob')
  await w.advance(16_000)
  await w.restart()
  w.ladder.clear()
  await bob.answers()
  assert.equal(mediaOf(alice.last(isOk)), '10.0.9.1:30002')
  assert.equal(w.ladder.count('rtpengine answer'), 1)
  assert.equal(engine.asked.filter(({ command }) => command === 'offer').length, 1)
  await alice.hangsUp()
  await end(w)
})

test('killed while the offer is outstanding: the next process offers again, under the same name', async () => {
  const { w, alice, bob, engine } = await scene({ app: waiting() })
  engine.held.add('offer')
  await alice.invites('bob')
  await w.restart()
  await engine.releases()
  await w.advance(0)
  const offers = engine.asked.filter(({ command }) => command === 'offer')
  assert.equal(new Set(offers.map(({ values }) => values['call-id'])).size, 1)
  assert.equal(bob.incoming.length, 1)
  await bob.answers()
  await alice.hangsUp()
  await end(w)
})

test('killed while people talk: what the Route says leads re-INVITE, its ACK and BYE to the call at the rtpengine', async () => {
  const { w, alice, bob, engine } = await scene()
  await alice.invites('bob')
  await bob.answers()
  await w.restart()
  w.ladder.clear()
  await alice.sendsInDialog('INVITE', { headers: [SDP_TYPE], body: SDP })
  await bob.answers()
  await alice.hangsUp()
  assert.match(mediaOf(bob.incoming[1]!.invite), /^10\.0\.9\.1:/)
  assert.equal(mediaOf(alice.last(isOk)), '10.0.9.1:30002')
  assert.deepEqual(
    engine.asked.slice(2).map(({ command }) => command),
    ['query', 'offer', 'answer', 'delete'],
  )
  await end(w)
})

test('a Route that names media no rtpengine has: the request goes through as it is, and nothing is begun for it', async () => {
  const { w, alice, bob, engine } = await scene()
  await alice.invites('bob')
  await bob.answers()
  await w.restart()
  for (const name of ['0'.repeat(32), `${'f'.repeat(32)}d`, 'x']) {
    const routes = alice.outgoing!.routes
    alice.outgoing!.routes = routes.map((route) => route.replace(/;media=[^;>]*/, `;media=${name}`))
    await alice.sendsInDialog('INVITE', { headers: [SDP_TYPE], body: SDP })
    assert.equal(bob.ringing.invite.body, SDP)
    await bob.answers()
  }
  const asked = engine.asked.slice(2).map(({ command }) => command)
  assert.deepEqual(
    [...new Set(asked)].filter((command) => command !== 'query'),
    [],
  )
  assert.equal(engine.calls.size, 1)
  await alice.hangsUp()
  assert.equal(engine.calls.size, 1)
  engine.calls.clear()
  await end(w)
})
