import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type AuthorizeOptions, type Call, SipRouter } from 'rouse'
import { CgratesStandIn } from '../support/cgrates.ts'
import type { Phone } from '../support/phone.ts'
import type { WireMessage } from '../support/wire.ts'
import { type World, type WorldOptions, world } from '../support/world.ts'

/** Calls that are billed by CGRateS, in virtual time: money, and every order in which things can happen. */

const isBye = ({ isRequest, method }: WireMessage) => isRequest && method === 'BYE'

function writesNoUsage(cgr: CgratesStandIn): void {
  cgr.account('1001', 60)
  cgr.writesUsage = () => null
}

function billed(options: Partial<AuthorizeOptions> = {}): SipRouter {
  return routed(async (call) => {
    const auth = await call.authorize({ account: '1001', ...options })
    if (!auth.authorized) return call.reply(auth.code, auth.reason)
    call.fork(call.contacts)
  })
}

function routed(handler: (call: Call) => unknown): SipRouter {
  return new SipRouter().invite('/:domain/:user', handler as (call: unknown) => Promise<void>)
}

/** With a store that keeps calls for the next process. */
const KEEPS: WorldOptions = { gateway: { cluster: { pool: 'east' } } }

interface Scene {
  w: World
  cgr: CgratesStandIn
  alice: Phone
  bob: Phone
}

async function scene(
  app: SipRouter = billed(),
  settings: NonNullable<WorldOptions['cgrates']>['settings'] = {},
  options: WorldOptions = {},
): Promise<Scene> {
  const cgr = new CgratesStandIn()
  const w = await world({ app, cgrates: { standIn: cgr, settings }, ...options })
  await w.advance(1000)
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  await bob.registers()
  return { w, cgr, alice, bob }
}

/** Everything is told, and the other side was never asked for what it does not take. */
async function over({ w, cgr }: Scene): Promise<void> {
  await w.assertQuiet(400_000)
  assert.deepEqual(cgr.faults, [])
  assert.equal(cgr.sessions.size, 0)
  assert.deepEqual(w.errors, [])
  assert.equal(w.counters.get('bugs'), 0)
  await w.stop()
}

async function talk({ alice, bob }: Scene): Promise<void> {
  await alice.invites('bob')
  await bob.answers()
}

/** Milliseconds of the only record. */
function billedMs(cgr: CgratesStandIn): number {
  assert.equal(cgr.cdrs.size, 1)
  return [...cgr.cdrs.values()][0]!.usageMs
}

describe('a call is authorized', () => {
  test('and billed: a session from the answer, debits before the last is used up, and the record at the end', async () => {
    const all = await scene()
    const { w, cgr, alice } = all
    const account = cgr.account('1001', 600)
    await talk(all)
    const answeredAt = w.clock.now()
    await w.advance(65_400)
    assert.equal(account.balanceMs, 600_000 - 90_000)
    await alice.hangsUp()
    assert.deepEqual(cgr.asked, [
      ...['AuthorizeEvent authorize', 'InitiateSession initiate', 'UpdateSession update-1', 'UpdateSession update-2'],
      ...['TerminateSession terminate', 'ProcessCDR cdr'],
    ])
    assert.equal(account.balanceMs, 600_000 - 65_400)
    const [[id, { event, usageMs }] = ['', { event: {}, usageMs: 0 }]] = [...cgr.cdrs]
    assert.equal(usageMs, 65_400)
    assert.deepEqual(event, {
      ToR: '*voice',
      OriginID: id,
      OriginHost: 'gw',
      Source: 'rouse',
      CallID: alice.outgoing!.invite.header('Call-ID'),
      RequestType: '*prepaid',
      Category: 'call',
      Account: '1001',
      Subject: '1001',
      Destination: 'bob',
      SetupTime: new Date(answeredAt).toISOString(),
      AnswerTime: new Date(answeredAt).toISOString(),
      Usage: '65400ms',
    })
    await over(all)
  })

  test('with all that the handler says of it; its own fields do not overrule the call', async () => {
    const fields = { Trunk: 'north', OriginID: 'forged' }
    const app = billed({ subject: 's', destination: '+4930', category: 'fax', tenant: 'acme', fields })
    const all = await scene(app)
    all.cgr.account('1001', 60)
    await talk(all)
    await all.alice.hangsUp()
    const { event } = [...all.cgr.cdrs.values()][0]!
    const { Subject, Destination, Category, Trunk, OriginID } = event
    assert.deepEqual([Subject, Destination, Category, Trunk], ['s', '+4930', 'fax', 'north'])
    assert.notEqual(OriginID, 'forged')
    await over(all)
  })

  const refusals: [string, (cgr: CgratesStandIn) => void, Partial<AuthorizeOptions>, number][] = [
    ['no credit: 402', (cgr) => cgr.account('1001', 0), {}, 402],
    ['an unknown account: 403', () => {}, {}, 403],
    ['a disabled account: 403', (cgr) => cgr.account('1001', 60, { disabled: true }), {}, 403],
    ['a destination that is not allowed: 403', (cgr) => cgr.account('1001', 60), { destination: '900123' }, 403],
    ['credit of a pseudo-prepaid account: 402', (cgr) => cgr.account('1001', 0), { requestType: 'pseudoprepaid' }, 402],
    ['an answer without MaxUsage: 403', writesNoUsage, {}, 403],
    ['an error nobody knows: 403', (cgr) => cgr.fails.set('AuthorizeEvent', 'CHARGERS_ERROR:NOT_FOUND'), {}, 403],
    ['trouble of its own: 503', (cgr) => cgr.fails.set('AuthorizeEvent', 'SERVER_ERROR: disconnected'), {}, 503],
  ]
  for (const [what, prepare, options, status] of refusals) {
    test(`and refused, ${what}; nobody rings, and nothing is billed`, async () => {
      const all = await scene(billed(options))
      prepare(all.cgr)
      await all.alice.invites('bob')
      assert.equal(all.alice.finalStatus, status)
      assert.equal(all.bob.incoming.length, 0)
      await over(all)
      assert.equal(all.cgr.cdrs.size, 0)
    })
  }

  const written: [string, (ms: number) => unknown][] = [
    ['nanoseconds', (ms) => ms * 1e6],
    ['a text of nanoseconds', (ms) => String(ms * 1e6)],
    ['a duration of Go', (ms) => `${Math.floor(ms / 60_000)}m${(ms % 60_000) / 1000}s`],
  ]
  for (const [what, writes] of written) {
    test(`for as long as MaxUsage says, as ${what}`, async () => {
      let heard: unknown
      const app = routed(async (call) => {
        heard = await call.authorize({ account: '1001' })
        call.reply(480)
      })
      const all = await scene(app)
      all.cgr.writesUsage = writes
      all.cgr.account('1001', 95.5)
      await all.alice.invites('bob')
      assert.deepEqual(heard, { authorized: true, maxDuration: 95.5 })
      await over(all)
    })
  }

  test('-1 is no limit: the call is never hung up', async () => {
    const all = await scene()
    all.cgr.account('1001', 600)
    all.cgr.writesUsage = () => -1
    await talk(all)
    await all.w.advance(3_600_000)
    assert.equal(all.w.gateway.counts().dialogs, 1)
    await all.alice.hangsUp()
    await over(all)
  })

  test('without a billing system nobody can: 503', async () => {
    const w = await world({ app: billed() })
    const alice = await w.phone('alice')
    await alice.invites('bob')
    assert.equal(alice.finalStatus, 503)
    await w.assertQuiet()
    await w.stop()
  })

  test('whose answer nobody awaits: the handler is wrong, and the call does not go on unbilled', async () => {
    const app = routed((call) => {
      void call.authorize({ account: '1001' })
      call.fork(call.contacts)
    })
    const all = await scene(app)
    await all.alice.invites('bob')
    await all.w.advance(3000)
    assert.equal(all.alice.finalStatus, 503)
    assert.equal(all.bob.incoming.length, 0)
    await over(all)
  })

  test('but nobody talks unbilled: a call that is one too many of its Call-ID to be followed is hung up at once', async () => {
    const all = await scene()
    const { w, cgr, alice, bob } = all
    cgr.account('1001', 100_000)
    const call = async () => {
      await alice.invites('bob', { callId: 'one-for-all' })
      await bob.answers()
      await w.advance(10)
    }
    for (let calls = 0; calls < 32; calls++) await call()
    assert.equal(alice.received.some(isBye), false)
    await call()
    assert.deepEqual([alice.received.filter(isBye).length, bob.received.filter(isBye).length], [1, 1])
    assert.match(alice.last(isBye).header('Reason'), /too many calls of one Call-ID/)
    assert.equal(w.gateway.counts().dialogs, 32)
    assert.equal(cgr.sessions.size, 32)
    const stopped = w.stop()
    await w.advance(1000)
    await stopped
    assert.equal(cgr.sessions.size, 0)
  })

  test('on its first way through the router, and billed, though it comes back and is routed once more', async () => {
    const app = routed(async (call) => {
      if (call.user === 'desk') return call.fork('sip:bob@10.0.0.11')
      const auth = await call.authorize({ account: '1001' })
      if (auth.authorized) call.fork('sip:desk@10.0.0.1')
    })
    const all = await scene(app)
    all.cgr.account('1001', 40)
    await talk(all)
    await all.w.advance(40_000)
    assert.equal(all.w.gateway.counts().dialogs, 0)
    for (const phone of [all.alice, all.bob]) assert.match(phone.last(isBye).header('Reason'), /the balance has ended/)
    assert.equal(billedMs(all.cgr), 40_000)
    await over(all)
  })

  test('by a named handler while it is talked: billed from its answer', async () => {
    const app = routed((call) => {
      call.subscribe('bill', {}, 'bill', { until: 'ended' })
      call.fork(call.contacts)
    })
    app.on('bill', async (call) => void (await call.authorize({ account: '1001' })))
    const all = await scene(app)
    all.cgr.account('1001', 600)
    await talk(all)
    await all.w.advance(10_000)
    await all.w.publish('bill', {})
    await all.w.advance(5000)
    await all.bob.hangsUp()
    assert.equal(billedMs(all.cgr), 15_000)
    await over(all)
  })
})

describe('the balance ends', () => {
  test('both ends get a BYE exactly when what was paid for is used up, and hear why', async () => {
    const all = await scene()
    const { w, cgr, alice, bob } = all
    const account = cgr.account('1001', 70)
    await talk(all)
    await w.advance(69_999)
    assert.equal(w.ladder.count('BYE'), 0)
    await w.advance(1)
    for (const phone of [alice, bob]) assert.match(phone.last(isBye).header('Reason'), /the balance has ended/)
    assert.equal(billedMs(cgr), 70_000)
    assert.equal(account.balanceMs, 0)
    assert.deepEqual((w.newestCall.timeline as { what: string }[]).at(-2)?.what, 'hung up: the balance has ended')
    await over(all)
  })

  test('unless it is filled up in time', async () => {
    const all = await scene()
    const { w, cgr } = all
    const account = cgr.account('1001', 40)
    await talk(all)
    await w.advance(30_000)
    account.balanceMs += 20_000
    await w.advance(29_999)
    assert.equal(w.gateway.counts().dialogs, 1)
    await w.advance(1)
    assert.equal(w.gateway.counts().dialogs, 0)
    assert.equal(billedMs(cgr), 60_000)
    await over(all)
  })

  test('not while a debit is under way whose answer comes within a second', async () => {
    const all = await scene(billed(), { timeoutMs: 30_000 })
    const { w, cgr } = all
    const account = cgr.account('1001', 60)
    await talk(all)
    cgr.hold('UpdateSession')
    await w.advance(30_999)
    cgr.release('UpdateSession')
    await w.advance(29_000)
    assert.equal(w.gateway.counts().dialogs, 1)
    await w.advance(1)
    assert.equal(w.gateway.counts().dialogs, 0)
    assert.equal(billedMs(cgr), 60_000)
    assert.equal(account.balanceMs, 0)
    await over(all)
  })

  test('as soon as a late answer says so', async () => {
    const all = await scene(billed(), { timeoutMs: 30_000 })
    const { w, cgr, bob } = all
    const account = cgr.account('1001', 30)
    await talk(all)
    cgr.hold('UpdateSession')
    await w.advance(30_400)
    assert.equal(w.gateway.counts().dialogs, 1)
    cgr.release('UpdateSession')
    await w.advance(0)
    assert.match(bob.last(isBye).header('Reason'), /the balance has ended/)
    assert.equal(billedMs(cgr), 30_400)
    assert.equal(account.balanceMs, -400)
    await over(all)
  })

  test('of calls that may pass unpaid: not while a debit is under way, however late its answer is', async () => {
    for (const seconds of [30, 90]) {
      const all = await scene(billed(), { timeoutMs: 30_000, away: 'pass' })
      const { w, cgr, bob } = all
      const account = cgr.account('1001', seconds)
      await talk(all)
      cgr.hold('UpdateSession')
      await w.advance(40_000)
      assert.equal(w.gateway.counts().dialogs, 1)
      cgr.release('UpdateSession')
      await w.advance(0)
      assert.equal(w.gateway.counts().dialogs, seconds === 90 ? 1 : 0)
      await w.advance(50_000)
      assert.match(bob.last(isBye).header('Reason'), /the balance has ended/)
      assert.equal(account.balanceMs, seconds === 90 ? 0 : -10_000)
      await over(all)
    }
  })

  test('between authorization and answer: hung up at once', async () => {
    const all = await scene()
    const { w, cgr, alice, bob } = all
    const account = cgr.account('1001', 60)
    await alice.invites('bob')
    account.balanceMs = 0
    await bob.answers()
    await w.advance(0)
    assert.equal(w.gateway.counts().dialogs, 0)
    assert.match(bob.last(isBye).header('Reason'), /the balance has ended/)
    assert.equal(billedMs(cgr), 0)
    assert.deepEqual(cgr.asked.slice(2), ['TerminateSession terminate', 'ProcessCDR cdr'])
    await over(all)
  })

  test('CGRateS refuses the session: hung up at once, and only the record is told', async () => {
    const all = await scene()
    all.cgr.account('1001', 60)
    all.cgr.fails.set('InitiateSession', 'RALS_ERROR:ACCOUNT_DISABLED')
    await talk(all)
    await all.w.advance(0)
    assert.match(all.bob.last(isBye).header('Reason'), /Account Disabled/)
    assert.deepEqual(all.cgr.asked.slice(1), ['InitiateSession initiate', 'ProcessCDR cdr'])
    await over(all)
  })

  test('CGRateS debits by itself and says so by a long MaxUsage: nothing is asked for until then', async () => {
    const all = await scene()
    all.cgr.account('1001', 100_000)
    all.cgr.writesUsage = () => 3 * 3600 * 1e9
    await talk(all)
    await all.w.advance(3_600_000)
    assert.equal(all.cgr.asked.filter((each) => each.startsWith('Update')).length, 0)
    await all.alice.hangsUp()
    assert.equal(billedMs(all.cgr), 3_600_000)
    await over(all)
  })

  test('of a pseudo-prepaid account at what was authorized, without debits meanwhile', async () => {
    const all = await scene(billed({ requestType: 'pseudoprepaid' }))
    const account = all.cgr.account('1001', 45)
    await talk(all)
    await all.w.advance(44_999)
    assert.equal(all.w.gateway.counts().dialogs, 1)
    await all.w.advance(1)
    assert.equal(all.w.gateway.counts().dialogs, 0)
    assert.equal(account.balanceMs, 0)
    assert.equal(all.cgr.asked.filter((each) => each.startsWith('Update')).length, 0)
    await over(all)
  })
})

for (const requestType of ['postpaid', 'rated'] as const) {
  test(`${requestType}: the call lasts as long as it likes, and is billed afterwards`, async () => {
    const all = await scene(billed({ requestType }))
    const account = all.cgr.account('1001', 10)
    await talk(all)
    await all.w.advance(300_000)
    await all.alice.hangsUp()
    assert.equal(account.balanceMs, -290_000)
    const session = requestType === 'rated' ? [] : ['InitiateSession initiate', 'TerminateSession terminate']
    assert.deepEqual(all.cgr.asked, ['AuthorizeEvent authorize', ...session, 'ProcessCDR cdr'])
    await over(all)
  })
}

describe('CGRateS asks', () => {
  for (const method of ['SessionSv1', 'SMGClientV1', 'AgentV1']) {
    test(`for the end of a call (${method}.DisconnectSession): both ends get a BYE with its reason`, async () => {
      const all = await scene()
      all.cgr.account('1001', 600)
      await talk(all)
      await all.w.advance(5000)
      const [id] = [...all.cgr.sessions.keys()]
      const answered = all.cgr.disconnect(id!, 'FRAUD\r\nX: y', `${method}.DisconnectSession`)
      await all.w.advance(0)
      assert.deepEqual(await answered, [{ result: 'OK' }])
      for (const phone of [all.alice, all.bob])
        assert.equal(phone.last(isBye).header('Reason'), 'SIP;text="ended by billing: FRAUD  X: y"')
      assert.equal(billedMs(all.cgr), 5000)
      await over(all)
    })
  }

  test('for sessions that there are, and for what nobody knows', async () => {
    const all = await scene()
    all.cgr.account('1001', 600)
    await talk(all)
    const [id] = [...all.cgr.sessions.keys()]
    assert.deepEqual(await all.cgr.ask('SessionSv1.GetActiveSessionIDs', ''), [
      { result: [{ OriginHost: 'gw', OriginID: id }] },
    ])
    const unknown = { EventStart: { OriginID: 'nothing' }, Reason: '' }
    assert.deepEqual(await all.cgr.ask('SessionSv1.DisconnectSession', unknown), [{ error: 'NOT_FOUND' }])
    assert.deepEqual(await all.cgr.ask('SessionSv1.DisconnectSession', null), [{ error: 'NOT_FOUND' }])
    assert.deepEqual(await all.cgr.ask('SessionSv1.ReAuthorize', 'x'), [{ error: 'NOT_IMPLEMENTED' }])
    await all.alice.hangsUp()
    assert.deepEqual(await all.cgr.ask('SessionSv1.GetActiveSessionIDs', ''), [{ result: [] }])
    await over(all)
  })
})

describe('in every order', () => {
  for (const order of ['cancel first', 'answer first'] as const) {
    test(`the answer crosses the CANCEL, ${order}: one session, one record`, async () => {
      const all = await scene()
      const { w, cgr, alice, bob } = all
      cgr.account('1001', 600)
      await alice.invites('bob')
      await Promise.all(order === 'cancel first' ? [alice.cancels(), bob.answers()] : [bob.answers(), alice.cancels()])
      assert.equal(alice.finalStatus, 200)
      await w.advance(3000)
      await alice.hangsUp()
      assert.equal(billedMs(cgr), 3000)
      await over(all)
    })
  }

  test('cancelled before an answer, and while CGRateS is asked: nothing is billed', async () => {
    const all = await scene()
    const { w, cgr, alice, bob } = all
    cgr.account('1001', 600)
    await alice.invites('bob')
    await alice.cancels()
    cgr.hold('AuthorizeEvent')
    await alice.invites('bob')
    await alice.cancels()
    cgr.release('AuthorizeEvent')
    await w.advance(0)
    assert.equal(alice.finalStatus, 487)
    assert.equal(bob.incoming.length, 1)
    assert.deepEqual(cgr.asked, ['AuthorizeEvent authorize', 'AuthorizeEvent authorize'])
    await over(all)
  })

  for (const order of ['the call ends first', 'the session begins first'] as const) {
    test(`the call ends in the moment in which its session begins, ${order}: ended and billed once`, async () => {
      const all = await scene()
      const { w, cgr, alice } = all
      const account = cgr.account('1001', 600)
      cgr.hold('InitiateSession')
      await talk(all)
      await w.advance(1500)
      const steps = [() => alice.hangsUp(), async () => cgr.release('InitiateSession')]
      for (const step of order === 'the call ends first' ? steps : steps.reverse()) await step()
      await w.advance(0)
      assert.equal(billedMs(cgr), 1500)
      assert.equal(account.balanceMs, 600_000 - 1500)
      await over(all)
    })
  }

  test('the call ends while its session begins, which is refused: only the record', async () => {
    const all = await scene()
    const { w, cgr, alice } = all
    cgr.account('1001', 600)
    cgr.fails.set('InitiateSession', 'RALS_ERROR:ACCOUNT_DISABLED')
    cgr.hold('InitiateSession')
    await talk(all)
    await alice.hangsUp()
    cgr.release('InitiateSession')
    await w.advance(0)
    assert.deepEqual(cgr.asked.slice(1), ['InitiateSession initiate', 'ProcessCDR cdr'])
    await over(all)
  })

  test('the answer to a debit comes over a second after what was paid for is used up: the call is over, and what was debited is given back', async () => {
    const all = await scene(billed(), { timeoutMs: 20_000 })
    const { w, cgr, bob } = all
    const account = cgr.account('1001', 600)
    await talk(all)
    await w.advance(20_000)
    cgr.hold('UpdateSession')
    await w.advance(10_999)
    assert.equal(w.gateway.counts().dialogs, 1)
    await w.advance(1)
    assert.match(bob.last(isBye).header('Reason'), /billing is away/)
    await w.advance(3000)
    cgr.release('UpdateSession')
    await w.advance(0)
    assert.equal(billedMs(cgr), 31_000)
    assert.equal(account.balanceMs, 569_000)
    await over(all)
  })

  test('both ends hang up in the moment in which the balance ends: one BYE each way at most, one record', async () => {
    const all = await scene()
    const { w, cgr, alice, bob } = all
    cgr.account('1001', 30)
    await talk(all)
    await w.advance(29_999)
    await Promise.all([alice.hangsUp(), bob.hangsUp(), w.advance(1)])
    assert.ok([29_999, 30_000].includes(billedMs(cgr)))
    await over(all)
  })
})

describe('CGRateS is away', () => {
  test('when a call is to be authorized: 503, or it passes and is billed when it is back', async () => {
    const refused = await scene()
    refused.cgr.dies()
    await refused.alice.invites('bob')
    assert.equal(refused.alice.finalStatus, 503)
    await over(refused)

    const all = await scene(billed(), { away: 'pass' })
    const { w, cgr, alice } = all
    const account = cgr.account('1001', 600)
    cgr.dies()
    await talk(all)
    await w.advance(100_000)
    await alice.hangsUp()
    assert.equal(cgr.cdrs.size, 0)
    cgr.comesBack()
    await w.advance(10_000)
    assert.equal(billedMs(cgr), 100_000)
    assert.equal(account.balanceMs, 500_000)
    assert.deepEqual(cgr.asked, ['ProcessCDR cdr'])
    await over(all)
  })

  test('silent when a call is to be authorized: 503 within its time', async () => {
    const all = await scene()
    all.cgr.isSilent = true
    await all.alice.invites('bob')
    await all.w.advance(2000)
    assert.equal(all.alice.finalStatus, 503)
    await over(all)
  })

  test('when the call is answered: hung up, for nothing is paid', async () => {
    const all = await scene()
    all.cgr.account('1001', 600)
    await all.alice.invites('bob')
    all.cgr.dies()
    await all.bob.answers()
    await all.w.advance(0)
    assert.match(all.bob.last(isBye).header('Reason'), /billing is away/)
    all.cgr.comesBack()
    await over(all)
    assert.equal(billedMs(all.cgr), 0)
  })

  test('while it is talked: hung up when what was paid for is used up', async () => {
    const all = await scene()
    const { w, cgr } = all
    const account = cgr.account('1001', 600)
    await talk(all)
    await w.advance(10_000)
    cgr.dies()
    await w.advance(19_999)
    assert.equal(w.gateway.counts().dialogs, 1)
    await w.advance(1)
    assert.equal(w.gateway.counts().dialogs, 0)
    assert.match(all.bob.last(isBye).header('Reason'), /billing is away/)
    cgr.comesBack()
    await w.advance(10_000)
    assert.equal(billedMs(cgr), 30_000)
    assert.equal(account.balanceMs, 570_000)
    await over(all)
  })

  test('for a moment: the debit is asked for again, and the call goes on', async () => {
    const all = await scene()
    const { w, cgr, alice } = all
    const account = cgr.account('1001', 600)
    await talk(all)
    await w.advance(24_000)
    cgr.dies()
    await w.advance(3000)
    cgr.comesBack()
    await w.advance(30_000)
    assert.equal(w.gateway.counts().dialogs, 1)
    await alice.hangsUp()
    assert.equal(billedMs(cgr), 57_000)
    assert.equal(account.balanceMs, 543_000)
    await over(all)
  })

  test('while it is talked, and calls may pass: it goes on, and is paid for from the beginning when it is back', async () => {
    const all = await scene(billed(), { away: 'pass' })
    const { w, cgr } = all
    const account = cgr.account('1001', 130)
    await talk(all)
    await w.advance(10_000)
    cgr.dies()
    await w.advance(80_000)
    assert.equal(w.gateway.counts().dialogs, 1)
    cgr.comesBack()
    await w.advance(39_999)
    assert.equal(w.gateway.counts().dialogs, 1)
    await w.advance(1)
    assert.equal(w.gateway.counts().dialogs, 0)
    assert.equal(billedMs(cgr), 130_000)
    assert.equal(account.balanceMs, 0)
    await over(all)
  })

  test('when the call ends: its session is ended and its record told when it is back, once', async () => {
    const all = await scene()
    const { w, cgr, alice } = all
    const account = cgr.account('1001', 600)
    await talk(all)
    await w.advance(20_000)
    cgr.dies()
    await alice.hangsUp()
    await w.advance(60_000)
    assert.equal(cgr.sessions.size, 1)
    cgr.comesBack()
    await w.advance(10_000)
    assert.equal(billedMs(cgr), 20_000)
    assert.equal(account.balanceMs, 580_000)
    await over(all)
  })

  for (const method of ['TerminateSession', 'ProcessCDR']) {
    test(`dies before it has answered ${method}: what it has done is not done again`, async () => {
      const all = await scene()
      const { w, cgr, alice } = all
      const account = cgr.account('1001', 600)
      await talk(all)
      await w.advance(20_000)
      cgr.hold(method)
      await alice.hangsUp()
      cgr.dies()
      cgr.release(method)
      cgr.comesBack()
      await w.advance(20_000)
      assert.equal(billedMs(cgr), 20_000)
      assert.equal(account.balanceMs, 580_000)
      await over(all)
    })
  }

  test('silent when the session begins, and it has begun: the debit is not taken twice', async () => {
    const all = await scene(billed(), { away: 'pass' })
    const { w, cgr, alice } = all
    const account = cgr.account('1001', 600)
    cgr.hold('InitiateSession')
    await talk(all)
    await w.advance(10_000)
    cgr.release('InitiateSession')
    await w.advance(20_000)
    await alice.hangsUp()
    assert.equal(billedMs(cgr), 30_000)
    assert.equal(account.balanceMs, 570_000)
    await over(all)
  })

  test('silent when it is debited, and has debited: that counts, and the call goes on for all of the credit', async () => {
    const all = await scene()
    const { w, cgr, bob } = all
    const account = cgr.account('1001', 80)
    await talk(all)
    cgr.hold('UpdateSession')
    await w.advance(29_500)
    cgr.release('UpdateSession')
    await w.advance(50_499)
    assert.equal(w.gateway.counts().dialogs, 1)
    await w.advance(1)
    assert.match(bob.last(isBye).header('Reason'), /the balance has ended/)
    assert.equal(billedMs(cgr), 80_000)
    assert.equal(account.balanceMs, 0)
    await over(all)
  })

  test('or up, and in trouble of its own: a record is told as soon as that is over, however long it lasts', async () => {
    const all = await scene()
    const { w, cgr, alice } = all
    const account = cgr.account('1001', 600)
    cgr.fails.set('ProcessCDR', 'SERVER_ERROR: no database')
    await talk(all)
    await w.advance(5000)
    await alice.hangsUp()
    await w.advance(24 * 3_600_000)
    assert.ok(cgr.asked.length < 400, `${cgr.asked.length} requests`)
    cgr.fails.clear()
    await w.advance(300_000)
    assert.equal(billedMs(cgr), 5000)
    assert.equal(account.balanceMs, 595_000)
    await over(all)
  })

  test('a record that is refused is told again, and given up in the end, with all of it in the log', async () => {
    const all = await scene()
    const { w, cgr, alice } = all
    cgr.account('1001', 600)
    cgr.fails.set('ProcessCDR', 'CDRS_ERROR:NOT_FOUND')
    await talk(all)
    await alice.hangsUp()
    await w.advance(3600_000)
    assert.equal(cgr.asked.filter((each) => each.startsWith('ProcessCDR')).length > 10, true)
    await w.advance(3600_000)
    assert.deepEqual(w.errors, ['cgrates refuses the record of a call'])
    w.errors.length = 0
    await over(all)
  })
})

describe('the gateway', () => {
  test('is killed while it is talked: the next process goes on with the session, also when CGRateS comes late', async () => {
    const all = await scene(billed(), {}, KEEPS)
    const { w, cgr, alice } = all
    const account = cgr.account('1001', 600)
    await talk(all)
    await w.advance(60_000)
    await w.kill()
    cgr.dies()
    await w.start()
    await w.advance(20_000)
    cgr.comesBack()
    await w.advance(20_000)
    await alice.hangsUp()
    await w.advance(1000)
    assert.equal(billedMs(cgr), 100_000)
    assert.equal(account.balanceMs, 500_000)
    assert.equal(cgr.asked.filter((each) => each.startsWith('InitiateSession')).length, 1)
    await over(all)
  })

  test('is killed while it is talked, and back at any moment around the end of what was debited: the call goes on', async () => {
    for (let awayMs = 500; awayMs <= 7000; awayMs += 250) {
      const all = await scene(billed(), {}, KEEPS)
      const { w, cgr, alice } = all
      const account = cgr.account('1001', 600)
      await talk(all)
      await w.advance(24_000)
      await w.kill()
      await w.advance(awayMs)
      await w.start()
      await w.advance(20_000)
      assert.equal(alice.received.some(isBye), false, `away for ${awayMs} ms`)
      await alice.hangsUp()
      await w.advance(1000)
      assert.equal(billedMs(cgr), 44_000 + awayMs)
      assert.equal(account.balanceMs, 600_000 - billedMs(cgr))
      await over(all)
    }
  })

  test('is killed while it is talked, and CGRateS does not come back: the call is hung up, or passes, as it is configured', async () => {
    for (const away of ['refuse', 'pass'] as const) {
      const all = await scene(billed(), { away }, KEEPS)
      const { w, cgr, alice, bob } = all
      cgr.account('1001', 600)
      await talk(all)
      await w.advance(10_000)
      await w.kill()
      cgr.dies()
      await w.start()
      await w.advance(40_000)
      assert.deepEqual(
        [alice, bob].map(({ received }) => received.some(isBye)),
        away === 'refuse' ? [true, true] : [false, false],
      )
      cgr.comesBack()
      await w.advance(20_000)
      if (away === 'pass') await alice.hangsUp()
      await w.advance(1000)
      assert.equal(billedMs(cgr), away === 'pass' ? 70_000 : 40_000)
      await over(all)
    }
  })

  for (const requestType of ['postpaid', 'pseudoprepaid', 'rated'] as const)
    test(`is killed while it is talked, ${requestType}: billed once, for all of it`, async () => {
      const all = await scene(billed({ requestType }), {}, KEEPS)
      const { w, cgr, alice } = all
      cgr.account('1001', 600)
      await talk(all)
      await w.advance(10_000)
      await w.restart()
      await w.advance(90_000)
      await alice.hangsUp()
      await w.advance(1000)
      assert.equal(billedMs(cgr), 100_000)
      await over(all)
    })

  test('is killed while it is talked, and comes back when all that was authorized is over: hung up, and billed', async () => {
    const all = await scene(billed({ requestType: 'pseudoprepaid' }), {}, KEEPS)
    const { w, cgr } = all
    cgr.account('1001', 45)
    await talk(all)
    await w.advance(10_000)
    await w.kill()
    await w.advance(40_000)
    await w.start()
    await w.advance(1000)
    assert.equal(w.gateway.counts().dialogs, 0)
    assert.equal(cgr.cdrs.size, 1)
    await over(all)
  })

  test('is killed while it is talked, and has lost its session, too: it is begun anew', async () => {
    const all = await scene(billed(), {}, KEEPS)
    const { w, cgr, alice } = all
    cgr.account('1001', 600)
    await talk(all)
    await w.advance(10_000)
    cgr.sessions.clear()
    await w.restart()
    await w.advance(20_000)
    assert.equal(cgr.sessions.size, 1)
    await alice.hangsUp()
    await w.advance(1000)
    assert.equal(billedMs(cgr), 30_000)
    await over(all)
  })

  test('is killed while CGRateS is away: what was kept is told by the next process, once', async () => {
    const all = await scene()
    const { w, cgr, alice } = all
    const account = cgr.account('1001', 600)
    await talk(all)
    await w.advance(12_000)
    cgr.dies()
    await alice.hangsUp()
    await w.advance(1000)
    await w.restart()
    await w.advance(30_000)
    assert.equal(cgr.cdrs.size, 0)
    cgr.comesBack()
    await w.advance(10_000)
    assert.equal(billedMs(cgr), 12_000)
    assert.equal(account.balanceMs, 588_000)
    await over(all)
  })

  test('is killed between authorization and answer of a call that waits: it is billed by the next process', async () => {
    const app = routed(async (call) => {
      const auth = await call.authorize({ account: '1001' })
      if (!auth.authorized) return call.reply(auth.code, auth.reason)
      call.fork(call.contacts)
      call.halt('60s')
    })
    const all = await scene(app)
    const { w, cgr, alice, bob } = all
    cgr.account('1001', 600)
    await alice.invites('bob')
    await w.advance(1000)
    await w.restart()
    await w.advance(1000)
    await bob.answers()
    await w.advance(7000)
    await alice.hangsUp()
    assert.equal(billedMs(cgr), 7000)
    await over(all)
  })

  test('stops while it is talked: the session is ended, and billed until then', async () => {
    const all = await scene()
    const { w, cgr } = all
    const account = cgr.account('1001', 600)
    await talk(all)
    await w.advance(9000)
    const stopped = w.stop()
    await w.advance(1000)
    await stopped
    assert.equal(billedMs(cgr), 9000)
    assert.equal(account.balanceMs, 591_000)
    assert.deepEqual(cgr.faults, [])
  })

  test('starts before CGRateS does, and shows how it is with it', async () => {
    const cgr = new CgratesStandIn()
    cgr.dies()
    const w = await world({ app: billed(), cgrates: { standIn: cgr } })
    await w.advance(20_000)
    assert.deepEqual(w.cgrates?.health, { isUp: false, text: 'away: connect ECONNREFUSED' })
    cgr.comesBack()
    cgr.account('1001', 60)
    await w.advance(10_000)
    assert.deepEqual(w.cgrates?.health, { isUp: true, text: 'connected' })
    const alice = await w.phone('alice')
    const bob = await w.phone('bob')
    await bob.registers()
    const all = { w, cgr, alice, bob }
    await talk(all)
    await alice.hangsUp()
    await over(all)
  })
})
