import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SipRouter } from 'rouse'
import type { RouseEvent } from '../../functions/contract/events.ts'
import { eventWatcher } from '../support/event-watcher.ts'
import type { Phone } from '../support/phone.ts'
import { type World, type WorldOptions, world } from '../support/world.ts'

/** Session timers (RFC 4028): who vanishes without a BYE is not on the phone for hours. */

const app = new SipRouter().invite('/:domain/:user', (call) => void call.fork(call.contacts))
const TIMER: [string, string][] = [
  ['Session-Expires', '90;refresher=uas'],
  ['Require', 'timer'],
]
const SHORT: [string, string][] = [['x', '1800']]

interface Talk {
  w: World
  alice: Phone
  bob: Phone
  told: RouseEvent[]
}

/** Bob has answered with these headers; the gateway asks for nothing. */
const talk = (headers: [string, string][]) => talkBy({}, { headers })

interface TalkOptions {
  /** Of Alice's INVITE. */
  asked?: [string, string][]
  /** Of Bob's 200. */
  headers?: [string, string][]
  app?: SipRouter
  engines?: number
}

async function talkBy(gateway: WorldOptions['gateway'], options: TalkOptions = {}): Promise<Talk> {
  const { asked = [['Supported', 'timer']], headers = [], ...more } = options
  const told: RouseEvent[] = []
  const w = await world({ app, gateway, watchers: [eventWatcher((events) => told.push(...events))], ...more })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  await bob.registers()
  await alice.invites('bob', { headers: asked })
  const call = bob.ringing
  call.state = 'answered'
  bob.respond(call.invite, 200, { tag: call.tag, headers })
  await w.advance(0)
  assert.equal(w.gateway.counts().dialogs, 1)
  return { w, alice, bob, told }
}

/** Bob refreshes the session, and Alice agrees to what he asks for. */
async function refresh({ w, alice, bob }: Talk, headers: [string, string][]): Promise<void> {
  await bob.sendsInDialog('INVITE', { headers })
  alice.respond(alice.received.findLast(({ method }) => method === 'INVITE')!, 200, { headers })
  await w.advance(0)
}

const ends = ({ told }: Talk) =>
  told
    .filter(({ type }) => type === 'call.ended' || type === 'cdr.created')
    .map(({ type, attributes: { code, reason, duration } }) => [type, code, reason, duration])

test('a session that nobody refreshes is over when its time is: both ends get BYE, and the record says why', async () => {
  for (const [headers, seconds] of [[TIMER, 90] as const, [SHORT, 1800] as const]) {
    const t = await talk(headers)
    const { w, alice, bob } = t
    await w.advance(seconds * 1000 + 31_000)
    assert.equal(w.gateway.counts().dialogs, 1)
    await w.advance(2000)
    assert.equal(w.gateway.counts().dialogs, 0)
    assert.match(alice.received.at(-1)!.start, /^BYE/)
    assert.match(bob.received.at(-1)!.start, /^BYE/)
    assert.equal(bob.received.at(-1)!.header('Reason'), 'SIP;text="the session was not refreshed"')
    const why = [408, 'the session was not refreshed', seconds + 32]
    assert.deepEqual(ends(t), [
      ['call.ended', ...why],
      ['cdr.created', ...why],
    ])
    await w.assertQuiet()
    await w.stop()
  }
})

test('a session that is refreshed goes on, for more than half a day if it must, and ends with its BYE', async () => {
  const t = await talk(SHORT)
  const { w, bob } = t
  for (let hours = 0; hours < 14; hours += 0.5) {
    await w.advance(1_800_000)
    await refresh(t, SHORT)
  }
  assert.deepEqual([w.gateway.counts().dialogs, ends(t)], [1, []])
  await bob.hangsUp()
  assert.deepEqual(ends(t)[0], ['call.ended', 200, '', 14 * 3600])
  await w.assertQuiet()
  await w.stop()
})

test('an interval that is changed by a refresh counts from there; one that is left out is for half a day at most', async () => {
  const t = await talk(SHORT)
  const { w, bob } = t
  await refresh(t, TIMER)
  await w.advance(100_000)
  assert.equal(w.gateway.counts().dialogs, 1)
  await bob.sendsInDialog('UPDATE')
  await w.advance(11 * 3_600_000)
  assert.deepEqual([w.gateway.counts().dialogs, ends(t)], [1, []])
  await w.advance(3_600_000)
  assert.deepEqual(ends(t)[0], ['call.ended', 408, 'nobody ended it', 12 * 3600])
  await w.assertQuiet()
  await w.stop()
})

test('nobody is hung up for an interval that is none, shorter than one may be, or beyond a day', async () => {
  for (const value of ['', 'soon', '0', '-5', '30;refresher=uac', '99999999999999', '1e9']) {
    const t = await talk([['Session-Expires', value]])
    const { w, bob } = t
    await w.advance(115_000)
    assert.deepEqual([w.gateway.counts().dialogs, ends(t)], [1, []], value)
    await bob.hangsUp()
    await w.assertQuiet()
    await w.stop()
  }
})

test('a refresh that is answered after the BYE refreshes nothing', async () => {
  const t = await talk([])
  const { w, alice, bob } = t
  await alice.sendsInDialog('INVITE', { headers: TIMER })
  const refreshing = bob.received.findLast(({ method }) => method === 'INVITE')!
  await alice.hangsUp()
  bob.respond(refreshing, 200, { headers: TIMER })
  await w.assertQuiet(60_000)
  assert.deepEqual(ends(t)[0]?.slice(0, 2), ['call.ended', 200])
  await w.stop()
})

/** The gateway asks for half an hour. */
const ASKS = { sessionSeconds: 1800 }

const asked = ({ bob }: Talk) => ['Session-Expires', 'x'].flatMap((name) => bob.incoming[0]!.invite.headers(name))
const granted = ({ alice }: Talk) =>
  ['Session-Expires', 'Require'].map((name) =>
    alice
      .last(({ status }) => status === 200)
      .headers(name)
      .join(),
  )

test('the gateway asks for a timer where the caller knows timers; who grants it says who refreshes', async () => {
  const headers: [string, string][] = [
    ['Session-Expires', '1800;refresher=uas'],
    ['Require', 'timer'],
  ]
  const t = await talkBy(ASKS, { headers })
  assert.deepEqual(asked(t), ['1800'])
  assert.deepEqual(granted(t), ['1800;refresher=uas', 'timer'])
  await t.w.advance(1_831_000)
  assert.deepEqual(ends(t), [])
  await t.w.advance(2000)
  assert.deepEqual(ends(t)[0], ['call.ended', 408, 'the session was not refreshed', 1832])
  await t.w.assertQuiet()
  await t.w.stop()
})

test('a callee that knows no timers: the caller is told to refresh, and does; the timer goes on (RFC 4028 8.2)', async () => {
  const t = await talkBy(ASKS)
  const { w, alice, bob } = t
  assert.deepEqual(granted(t), ['1800;refresher=uac', 'timer'])
  for (const method of ['INVITE', 'UPDATE']) {
    await w.advance(1_500_000)
    await alice.sendsInDialog(method, {
      headers: [
        ['Supported', 'timer'],
        ['Session-Expires', '900;refresher=uac'],
      ],
    })
    bob.respond(bob.received.findLast((each) => each.method === method)!, 200)
    await w.advance(0)
    assert.deepEqual(granted(t), ['900;refresher=uac', 'timer'])
    await w.advance(600_000)
    assert.deepEqual([method, ends(t)], [method, []])
    await alice.sendsInDialog(method, { headers: [['Supported', 'timer']] })
    bob.respond(bob.received.findLast((each) => each.method === method)!, 200)
    await w.advance(0)
    assert.deepEqual(granted(t), ['1800;refresher=uac', 'timer'])
  }
  await w.advance(1_833_000)
  assert.deepEqual(ends(t)[0]?.slice(1, 3), [408, 'the session was not refreshed'])
  await w.assertQuiet()
  await w.stop()
})

test('what a caller asks for itself, and the least that it takes, is kept; who knows no timers is asked nothing', async () => {
  const cases: [[string, string][], string[], string[]][] = [
    [
      [
        ['k', 'replaces, Timer'],
        ['Min-SE', '3600'],
      ],
      ['3600'],
      ['3600;refresher=uac', 'timer'],
    ],
    [
      [
        ['Supported', 'timer'],
        ['x', '600'],
      ],
      ['600'],
      ['600;refresher=uac', 'timer'],
    ],
    [
      [
        ['Require', 'timer'],
        ['Min-SE', 'soon'],
      ],
      ['1800'],
      ['1800;refresher=uac', 'timer'],
    ],
    [[['Supported', 'replaces']], [], ['', '']],
    [[['Session-Expires', '600']], ['600'], ['', '']],
  ]
  for (const [headers, toBob, toAlice] of cases) {
    const t = await talkBy(ASKS, { asked: headers })
    assert.deepEqual([asked(t), granted(t)], [toBob, toAlice], JSON.stringify(headers))
    await t.bob.hangsUp()
    await t.w.assertQuiet()
    await t.w.stop()
  }
})

test('a function that says itself what the callee is asked for has its way', async () => {
  const set = { 'Session-Expires': '7200' }
  const own = new SipRouter().invite('/:domain/:user', (call) => void call.fork(call.contacts, { headers: { set } }))
  const t = await talkBy(ASKS, { app: own })
  assert.deepEqual(asked(t), ['7200'])
  await t.bob.hangsUp()
  await t.w.assertQuiet()
  await t.w.stop()
})

test('a call with relayed media is asked as any', async () => {
  const relayed = new SipRouter().invite(
    '/:domain/:user',
    (call) => void call.fork(call.contacts, { media: 'rtpengine' }),
  )
  const t = await talkBy(ASKS, { app: relayed, engines: 1 })
  assert.deepEqual([asked(t), granted(t)], [['1800'], ['1800;refresher=uac', 'timer']])
  assert.equal(t.alice.last(({ status }) => status === 200).headers('Content-Length').length, 1)
  await t.bob.hangsUp()
  await t.w.assertQuiet()
  await t.w.stop()
})
