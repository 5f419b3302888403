import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SipRouter } from 'rouse'
import { altered, away } from '../support/altered-store.ts'
import type { Phone } from '../support/phone.ts'
import { type WorldOptions, world } from '../support/world.ts'
import { authorization } from './digest.ts'

/** What functions answer by themselves: reply, redirect, challenge, save, remove. */

async function started(app: SipRouter, options: WorldOptions = {}) {
  const w = await world({ app, ...options })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  return { w, alice, bob }
}

const finalOf = (phone: Phone) => phone.outgoing!.final!

test('reply: a provisional response goes out and the call goes on; the later final one has the same To tag (RFC 3261 8.2.6, 16.7)', async () => {
  const sip = new SipRouter().invite('/:domain/:user', (call) => {
    call.reply(182, 'Queued')
    call.reply(183, 'Session Progress', { contentType: 'application/sdp', body: 'v=0\r\n' })
    call.reply(486)
  })
  const { w, alice } = await started(sip)
  await alice.invites('bob')
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> alice 182
    0 gw -> alice 183
    0 gw -> alice 486 INVITE
    0 alice -> gw ACK
  `)
  const queued = alice.last(({ status }) => status === 182)
  assert.equal(queued.start, 'SIP/2.0 182 Queued')
  assert.equal(alice.last(({ status }) => status === 183).body, 'v=0\r\n')
  assert.equal(queued.tag('To'), finalOf(alice).tag('To'))
  assert.notEqual(queued.tag('To'), '')
  await w.assertQuiet()
  await w.stop()
})

test('reply: a final response with reason, headers and body; nothing of the answer after it is performed (RFC 3261 16.7)', async () => {
  const sip = new SipRouter().invite('/:domain/:user', (call) => {
    call.reply(404, 'Unbekannt: Björn', {
      headers: {
        set: { 'Retry-After': '30' },
        add: [
          ['X-Why', 'one'],
          ['X-Why', 'two'],
        ],
      },
      contentType: 'text/plain',
      body: 'grüße',
    })
    call.fork('sip:bob@10.0.0.11')
  })
  const { w, alice } = await started(sip)
  await alice.invites('nobody')
  const final = finalOf(alice)
  assert.equal(Buffer.from(final.start, 'latin1').toString(), 'SIP/2.0 404 Unbekannt: Björn')
  assert.equal(final.header('Retry-After'), '30')
  assert.deepEqual(final.headers('X-Why'), ['one', 'two'])
  assert.equal(final.header('Content-Type'), 'text/plain')
  assert.equal(final.header('Content-Length'), '7')
  assert.equal(Buffer.from(final.body, 'latin1').toString(), 'grüße')
  assert.equal(w.ladder.count('gw -> bob'), 0)
  await w.assertQuiet()
  await w.stop()
})

test('reply: a MESSAGE may be accepted with 202, a second reply of the same answer changes nothing (RFC 3428)', async () => {
  const sip = new SipRouter().message('/:domain/:user', (call) => {
    call.reply(202)
    call.reply(404)
  })
  const { w, alice } = await started(sip)
  await alice.messages('bob', 'hello')
  w.ladder.assert(`
    0 alice -> gw MESSAGE bob
    0 gw -> function /message/example.com/bob
    0 gw -> alice 202 MESSAGE
  `)
  await w.assertQuiet()
  await w.stop()
})

test('reply: other methods are routed as well: OPTIONS to a user, SUBSCRIBE, PUBLISH, an unknown one (RFC 3261 8.2.1)', async () => {
  const sip = new SipRouter().all('/:domain/:user', (call) =>
    call.reply(call.method === 'OPTIONS' ? 200 : 405, undefined, { headers: { set: { Allow: 'INVITE' } } }),
  )
  const { w, alice } = await started(sip)
  for (const method of ['OPTIONS', 'SUBSCRIBE', 'PUBLISH', 'FOO']) {
    await alice.requests(method, 'sip:bob@example.com')
    const answer = alice.last((message) => message.method === method)
    assert.equal(answer.status, method === 'OPTIONS' ? 200 : 405)
    assert.equal(answer.header('Allow'), 'INVITE')
  }
  await w.assertQuiet()
  await w.stop()
})

test('redirect: 302 with the contacts in order of q (RFC 3261 8.3, 21.3)', async () => {
  const sip = new SipRouter().invite('/:domain/:user', (call) =>
    call.redirect([{ uri: 'sip:bob@10.0.0.11', q: 0.7 }, 'sip:bob@elsewhere.example']),
  )
  const { w, alice } = await started(sip)
  await alice.invites('bob')
  assert.equal(finalOf(alice).status, 302)
  assert.deepEqual(finalOf(alice).headers('Contact'), ['<sip:bob@10.0.0.11>;q=0.7', '<sip:bob@elsewhere.example>'])
  await w.assertQuiet()
  await w.stop()
})

test('redirect: to the registered contacts of an AOR, without their push tokens, with another status (RFC 3261 21.3.2)', async () => {
  const sip = new SipRouter().invite('/:domain/:user', (call) => call.redirect('sip:bob@example.com', 301))
  const { w, alice } = await started(sip)
  const phone = await w.phone('phone', { user: 'bob', contactParams: 'pn-provider=fcm;pn-prid=secret' })
  await phone.registers()
  await alice.invites('support')
  assert.equal(finalOf(alice).status, 301)
  assert.deepEqual(finalOf(alice).headers('Contact'), [`<${phone.shownContact}>`])
  await w.assertQuiet()
  await w.stop()
})

/** A call only for those who know alice's password. */
const guarded = () =>
  new SipRouter().invite('/:domain/:user', async (call) => {
    const user = await call.authenticate({
      realm: 'example.com',
      user: (name) => (name === 'alice' ? 'secret' : undefined),
    })
    if (user !== undefined) call.reply(486, `Known ${user}`)
  })

test('challenge: 407 with SHA-256 and MD5, the INVITE with right credentials gets through (RFC 8760, RFC 3261 22.3)', async () => {
  const { w, alice } = await started(guarded())
  await alice.invites('bob')
  const challenge = finalOf(alice)
  assert.equal(challenge.status, 407)
  assert.deepEqual(
    challenge.headers('Proxy-Authenticate').map((value) => /algorithm=([^,]+)/.exec(value)?.[1]),
    ['SHA-256', 'MD5'],
  )
  const account = { method: 'INVITE', uri: 'sip:bob@example.com', username: 'alice', password: 'secret' }
  await alice.invites('bob', { headers: [authorization(challenge, account)] })
  assert.equal(finalOf(alice).start, 'SIP/2.0 486 Known alice')
  await alice.invites('bob', { headers: [authorization(challenge, { ...account, password: 'wrong' })] })
  assert.equal(finalOf(alice).status, 407)
  await alice.invites('bob', { headers: [authorization(challenge, { ...account, username: 'mallory' })] })
  assert.equal(finalOf(alice).status, 407)
  await w.assertQuiet()
  await w.stop()
})

test('challenge: credentials never reach the function as a header, only their parameters as auth', async () => {
  const { w, alice } = await started(guarded())
  await alice.invites('bob')
  const account = { method: 'INVITE', uri: 'sip:bob@example.com', username: 'alice', password: 'secret' }
  await alice.invites('bob', { headers: [authorization(finalOf(alice), account)] })
  const { auth, request } = w.invocations.at(-1)!.data
  assert.equal(auth?.nonceState, 'valid')
  assert.equal(auth?.params.username, 'alice')
  assert.ok(!request.headers.some(([name]) => name.toLowerCase().includes('authorization')))
  await w.assertQuiet()
  await w.stop()
})

test('challenge: a nonce that has outlived is answered stale=true, a foreign one with a new challenge (RFC 7616 3.3)', async () => {
  const { w, alice } = await started(guarded())
  await alice.invites('bob')
  const challenge = finalOf(alice)
  const account = { method: 'INVITE', uri: 'sip:bob@example.com', username: 'alice', password: 'secret' }
  await w.advance(300_001)
  await alice.invites('bob', { headers: [authorization(challenge, account)] })
  assert.match(finalOf(alice).header('Proxy-Authenticate'), /stale=true/)
  const [name, value] = authorization(challenge, account)
  await alice.invites('bob', { headers: [[name, value.replace(/nonce="[^"]*"/, 'nonce="abc.def"')]] })
  assert.doesNotMatch(finalOf(alice).header('Proxy-Authenticate'), /stale/)
  await w.assertQuiet()
  await w.stop()
})

test('challenge: credentials for somebody further on are forwarded untouched (RFC 3261 22.3)', async () => {
  const { w, alice, bob } = await started(new SipRouter().invite('/:domain/:user', (call) => call.fork(call.contacts)))
  await bob.registers()
  await alice.invites('bob', { headers: [['Authorization', 'Digest username="alice", realm="bob"']] })
  assert.equal(bob.ringing.invite.header('Authorization'), 'Digest username="alice", realm="bob"')
  await alice.cancels()
  await w.assertQuiet()
  await w.stop()
})

test('save: the registrar answers, within the lifetimes the function allows (RFC 3261 10.3)', async () => {
  const sip = new SipRouter().register('/:domain/:user', (call) => call.save({ minExpires: '2m', maxExpires: '10m' }))
  const { w, bob } = await started(sip)
  assert.match((await bob.registers()).header('Contact'), /;expires=600$/)
  const brief = await bob.registers({ expires: 119 })
  assert.equal(brief.status, 423)
  assert.equal(brief.header('Min-Expires'), '120')
  assert.match((await bob.registers({ expires: 120 })).header('Contact'), /;expires=120$/)
  await w.assertQuiet()
  await w.stop()
})

test('save: under another AOR, and no more contacts than allowed (RFC 3261 10.3 step 7)', async () => {
  const sip = new SipRouter().register('/:domain/:user', (call) =>
    call.save({ aor: 'sip:team@example.com', maxContacts: 1 }),
  )
  const { w, alice, bob } = await started(sip)
  assert.equal((await bob.registers()).status, 200)
  assert.equal((await alice.registers()).status, 403)
  assert.deepEqual(
    (await w.gateway.registration('sip:team@example.com')).map(({ contact }) => contact),
    [bob.shownContact],
  )
  assert.deepEqual(await w.gateway.registration('sip:bob@example.com'), [])
  await w.assertQuiet()
  await w.stop()
})

test('save: a repeated REGISTER (same branch) gets the same answer, and one event comes of it (RFC 3261 17.2.2)', async () => {
  const sip = new SipRouter().register('/:domain/:user', (call) => call.save())
  const { w, bob } = await started(sip)
  await bob.registers()
  bob.send(bob.sent.at(-1)!.text)
  await w.advance(0)
  assert.equal(w.ladder.count('gw -> bob 200 REGISTER'), 2)
  assert.equal(w.invocations.length, 1)
  await w.assertQuiet()
  await w.stop()
})

test('a REGISTER of which no route is meant is served by the registrar, also a refresh: nobody else sees its credentials', async () => {
  const sip = new SipRouter().register('/other.example/:user', (call) => call.save())
  const { w, bob } = await started(sip)
  assert.equal((await bob.registers()).status, 200)
  const tablet = await w.phone('tablet', { user: 'bob' })
  const answer = await tablet.registers({ headers: [['Authorization', 'Digest username="bob"']] })
  assert.equal(answer.status, 200)
  assert.equal(w.ladder.count('gw -> bob REGISTER'), 0)
  const contacts = (await w.gateway.registration('sip:bob@example.com')).map(({ contact }) => contact)
  assert.deepEqual(contacts.toSorted(), [bob.shownContact, tablet.shownContact].toSorted())
  await w.assertQuiet()
  await w.stop()
})

test('a REGISTER of which no route is meant, and that the store does not take: 503 with Retry-After', async () => {
  const sip = new SipRouter().register('/other.example/:user', (call) => call.save())
  const store = altered(() => ({ register: away }))
  const w = await world({ app: sip, store })
  const bob = await w.phone('bob')
  const answer = await bob.registers()
  assert.deepEqual([answer.status, answer.header('Retry-After')], [503, '10'])
  await w.assertQuiet()
  await w.stop()
})

test('OPTIONS of which no route is meant: the router answers for itself, and a user is asked (RFC 3261 11.2)', async () => {
  const sip = new SipRouter().options('/other.example/:user', (call) => call.reply(405))
  const { w, alice, bob } = await started(sip)
  await bob.registers()
  await alice.requests('OPTIONS', 'sip:example.com')
  const own = alice.last(({ method }) => method === 'OPTIONS')
  assert.equal(own.status, 200)
  assert.match(own.header('Allow'), /INVITE/)
  assert.equal(w.ladder.count('gw -> bob OPTIONS'), 0)
  await alice.requests('OPTIONS', 'sip:bob@example.com')
  assert.equal(w.ladder.count('gw -> bob OPTIONS'), 1)
  await w.assertQuiet()
  await w.stop()
})

test('a REGISTER the function refuses binds nothing (RFC 3261 10.3 step 4)', async () => {
  const sip = new SipRouter().register('/:domain/:user', (call) => call.reply(403))
  const { w, bob } = await started(sip)
  assert.equal((await bob.registers()).status, 403)
  assert.deepEqual(await w.gateway.registration('sip:bob@example.com'), [])
  await w.assertQuiet()
  await w.stop()
})

test('remove: one contact, then all of an AOR; whoever waits for it is told (RFC 3261 10.2.2)', async () => {
  const sip = new SipRouter().message('/:domain/:user', (call) => {
    if (call.body === 'all') call.remove('sip:bob@example.com')
    else call.remove('sip:bob@example.com', call.body)
    call.reply(200)
  })
  sip.invite('/:domain/:user', (call) => {
    call.subscribe('contact.removed', { aor: 'sip:bob@example.com' }, 'gone')
    call.halt('10s')
  })
  sip.on('gone', (call, event) => call.reply(410, event.contact))
  const { w, alice, bob } = await started(sip)
  const tablet = await w.phone('tablet', { user: 'bob' })
  await bob.registers()
  await tablet.registers()
  await alice.invites('bob')
  await alice.messages('bob', tablet.shownContact)
  assert.equal(finalOf(alice).start, `SIP/2.0 410 ${tablet.shownContact}`)
  assert.deepEqual(
    (await w.gateway.registration('sip:bob@example.com')).map(({ contact }) => contact),
    [bob.shownContact],
  )
  await alice.messages('bob', 'all')
  assert.deepEqual(await w.gateway.registration('sip:bob@example.com'), [])
  await w.assertQuiet()
  await w.stop()
})

test('a route is found by what a user dials, however the phone writes it in the URI (RFC 3261 19.1.2, 19.1.4)', async () => {
  const app = new SipRouter()
    .invite('/:domain/#7', (call) => call.reply(487))
    .invite('/:domain/:star{\\*97}', (call) => call.reply(488))
    .invite('/:domain/jö', (call) => call.reply(489))
  const w = await world({ app })
  const alice = await w.phone('alice')
  const statuses: number[] = []
  for (const user of ['%237', '*97', '%2A97', '%2a97', 'j%C3%B6', 'jÃ¶', '%FF']) {
    await alice.invites(user)
    statuses.push(alice.finalStatus)
  }
  assert.deepEqual(statuses, [487, 488, 488, 488, 489, 489, 480])
  await w.assertQuiet()
})
