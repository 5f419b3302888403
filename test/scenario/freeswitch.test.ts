import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Call, type HangupOptions, SipRouter } from 'rouse'
import { Freeswitch } from '../../gateway/freeswitch/freeswitch.ts'
import { silentLog } from '../../gateway/observe/log.ts'
import { Line } from '../support/esl-line.ts'
import { type World, type WorldOptions, world } from '../support/world.ts'

/** What FreeSWITCH says of a call, and calls that end there; FreeSWITCH is what the test says over its event socket. */

const UUID = '6a7f2f3c-0000-4000-8000-000000000001'

/** A gateway's connection to the one FreeSWITCH. */
async function connected(w: World): Promise<{ freeswitch: Freeswitch; line: Line }> {
  const lines: Line[] = []
  const server = { host: '10.0.8.1', port: 8021, user: undefined, password: 'ClueCon', format: 'json' as const }
  const { clock, ids, store, counters } = w
  const freeswitch = new Freeswitch(
    { servers: [server], events: ['DTMF', 'CHANNEL_ANSWER'], subclasses: [], attributes: [] },
    {
      ...{ clock, ids, store, counters, random: () => 0.5, log: silentLog },
      connect: (host, port, events) => {
        lines.push(new Line(`${host}:${port}`, events))
        return lines.at(-1)!
      },
    },
  )
  freeswitch.start()
  await lines[0]!.isGood()
  assert.equal(freeswitch.health.text, 'connected')
  return { freeswitch, line: lines[0]! }
}

let sequence = 0
const event = (name: string, headers: Record<string, string>) => {
  return {
    'Event-Name': name,
    'Core-UUID': 'core-1',
    'Event-Sequence': String(++sequence),
    'Unique-ID': UUID,
    ...headers,
  }
}

describe('a call and FreeSWITCH', () => {
  test('it waits until FreeSWITCH has answered on its leg, and then rings', async () => {
    const app = new SipRouter().invite('/:domain/:user', (async (call: Call) => {
      const heard = await call.wait('freeswitch.channel_answer', { callId: call.id, direction: 'inbound' }, '20s')
      if (heard) call.fork(call.contacts)
      else call.reply(480)
    }) as (call: unknown) => Promise<void>)
    const w = await world({ app })
    const { freeswitch, line } = await connected(w)
    const alice = await w.phone('alice')
    const bob = await w.phone('bob')
    await bob.registers()
    await alice.invites('bob')
    const callId = alice.outgoing!.invite.header('Call-ID')!
    const other = { 'Call-Direction': 'inbound', variable_sip_call_id: `${callId}.other` }
    await line.raises(event('CHANNEL_ANSWER', other))
    await w.advance(1000)
    assert.equal(w.ladder.count('gw -> bob INVITE bob'), 0)
    await line.raises(event('CHANNEL_ANSWER', { ...other, variable_sip_call_id: callId }))
    await w.advance(0)
    assert.equal(w.ladder.count('gw -> bob INVITE bob'), 1)
    await bob.answers()
    await alice.hangsUp()
    await freeswitch.stop()
    await w.assertQuiet()
    await w.stop()
  })

  test('two gateways hear the same FreeSWITCH: what it says fires a subscription once, and resumes a wait once', async () => {
    const app = new SipRouter()
    app.invite('/:domain/:user', (async (call: Call) => {
      call.subscribe('dtmf', { callId: call.id, source: 'esl' }, 'pressed', { until: 'ended' })
      const digit = await call.wait('dtmf', { callId: call.id, source: 'esl' }, '20s')
      call.annotate({ first: String(digit?.digit) })
      call.fork(call.contacts)
    }) as (call: unknown) => Promise<void>)
    app.on('pressed', (call, { digit }) => call.annotate({ [`pressed ${digit}`]: 'yes' }))
    const w = await world({ app })
    const both = [await connected(w), await connected(w)]
    const alice = await w.phone('alice')
    const bob = await w.phone('bob')
    await bob.registers()
    await alice.invites('bob')
    const callId = alice.outgoing!.invite.header('Call-ID')!
    for (const digit of ['1', '2']) {
      const pressed = event('DTMF', { 'DTMF-Digit': digit, 'DTMF-Duration': '800', variable_sip_call_id: callId })
      for (const { line } of both) {
        await line.raises(pressed)
        await w.advance(10)
      }
    }
    assert.deepEqual(
      w.invocations.map(({ type }) => type),
      ['sip.request', 'subscription.matched', 'wait.resumed', 'subscription.matched'],
    )
    assert.equal(w.ladder.count('gw -> bob INVITE bob'), 1)
    assert.deepEqual(w.newestCall.annotations, { 'pressed 1': 'yes', first: '1', 'pressed 2': 'yes' })
    await bob.answers()
    await alice.hangsUp()
    for (const { freeswitch } of both) await freeswitch.stop()
    await w.assertQuiet()
    await w.stop()
  })
})

/** Ends the call on the event `end`. */
function ending(options: HangupOptions): SipRouter {
  const app = new SipRouter().invite('/:domain/:user', (call) => {
    call.subscribe('end', { call: call.id }, 'end', { until: 'ended' })
    call.fork(call.contacts)
  })
  app.on('end', (call) => call.hangup('fax', options))
  return app
}

describe('hangup by FreeSWITCH', () => {
  const asked: string[] = []

  async function calls(
    why: string | undefined,
    more: WorldOptions = {},
    options: HangupOptions = { via: 'freeswitch' },
  ) {
    asked.length = 0
    const kill = async (...what: string[]) => {
      asked.push(what.join(' '))
      return why
    }
    const w = await world({ app: ending(options), killer: { kill }, ...more })
    const alice = await w.phone('alice')
    const bob = await w.phone('bob')
    await bob.registers()
    await alice.invites('bob')
    const callId = alice.outgoing!.invite.header('Call-ID')!
    const ends = async () => void (await w.publish('end', { call: callId }))
    const byes = () => w.ladder.count('gw -> alice BYE') + w.ladder.count('gw -> bob BYE')
    const told = () => (w.newestCall.timeline as { what: string }[]).map(({ what }) => what)
    return { w, alice, bob, callId, ends, byes, told }
  }

  test('it ends the call and says BYE: the gateway says none of its own', async () => {
    const { w, alice, bob, callId, ends, byes, told } = await calls(
      undefined,
      {},
      { via: 'freeswitch', cause: 'CALL_REJECTED' },
    )
    await bob.answers()
    await ends()
    assert.deepEqual(asked, [`${callId} CALL_REJECTED`])
    assert.equal(byes(), 0)
    await alice.hangsUp()
    assert.equal(byes(), 1)
    assert.deepEqual(told().slice(-4), ['end: end', 'hung up: fax', 'FreeSWITCH ends it', 'ended'])
    await w.assertQuiet()
    assert.equal(byes(), 1)
    await w.stop()
  })

  test('it has ended the call, but no BYE comes by: after five seconds the gateway says it to both', async () => {
    const { w, bob, callId, ends, byes, told } = await calls(undefined)
    await bob.answers()
    await ends()
    assert.deepEqual(asked, [`${callId} NORMAL_CLEARING`])
    await w.advance(4999)
    assert.equal(byes(), 0)
    await w.advance(1)
    assert.equal(byes(), 2)
    assert.ok(told().includes('FreeSWITCH has ended it, but there was no BYE'))
    await w.assertQuiet()
    await w.stop()
  })

  for (const [what, why, more, note] of [
    ['it does not know the call', '-ERR No such channel!', {}, '-ERR No such channel!'],
    ['none is set', undefined, { killer: undefined }, 'none is set'],
  ] as const)
    test(`${what}: the gateway says BYE to both, and the timeline why`, async () => {
      const { w, bob, ends, byes, told } = await calls(why, more as unknown as WorldOptions)
      await bob.answers()
      await ends()
      assert.equal(byes(), 2)
      assert.ok(told().includes(`FreeSWITCH does not end it: ${note}`), told().join('\n'))
      await w.assertQuiet()
      await w.stop()
    })

  test('while it rings the gateway ends it, whoever was to: the caller is answered, and the phone rings no more', async () => {
    const { w, alice, ends } = await calls(undefined)
    await ends()
    assert.deepEqual(asked, [])
    assert.equal(alice.finalStatus, 480)
    assert.equal(w.ladder.count('gw -> bob CANCEL'), 1)
    await w.assertQuiet()
    await w.stop()
  })
})
