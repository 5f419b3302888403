import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, fork, fromEvent, SipRouter } from 'rouse'
import { createApp } from '../../functions/examples/app.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { type Packet, watched } from '../support/hep-collector.ts'
import { type WorldOptions, world } from '../support/world.ts'
import { sleepingPhone } from './cast.ts'
import { authorization } from './digest.ts'

/** What a collector got, drawn as Homer draws it: one line per message, event and invocation. */
function timeline(packets: Packet[]): string[] {
  return packets.map(({ protocol, transport, from, to, payload }) => {
    const way = `${transport === 17 ? 'udp' : 'tcp'} ${from} -> ${to}`
    return protocol === 1 ? `${way} ${labelOf(payload)}` : noteOf(JSON.parse(payload))
  })
}

function labelOf(text: string): string {
  const [, method] = /\r\nCSeq: \d+ (\w+)/.exec(text)!
  return text.startsWith('SIP/2.0 ') ? `${text.slice(8, 11)} ${method}` : method!
}

function noteOf({ event, invocation, reaction, ...rest }: Record<string, unknown>): string {
  if (reaction !== undefined) return `reaction ${reaction} ${rest.actions}`
  if (typeof invocation !== 'string') return `event ${event}`
  return `invocation ${[invocation, rest.type, event ?? '', rest.result, rest.actions ?? '', rest.failures ?? ''].join(' ').replaceAll(/ +/g, ' ').trim()}`
}

async function watchedWorld(options: WorldOptions) {
  const clock = new FakeClock()
  const { hep, packets } = watched(clock)
  const w = await world({ clock, taps: [hep], watchers: [hep], ...options })
  return { w, packets, of: (callId: string) => packets().filter((packet) => packet.correlationId === callId) }
}

test('a call that wakes a phone is one timeline: messages with the ends they had, what the function said, what was pushed', async () => {
  const app = createApp({ ringFor: '2s', wakeFor: '5s', messageFor: '3s' })
  const { w, packets, of } = await watchedWorld({ app })
  const alice = await w.phone('alice', { transport: 'tcp' })
  const carol = await sleepingPhone(w, 'carol')
  const before = packets().length
  await alice.invites('carol')
  await w.advance(1000)
  await carol.wakes()
  await carol.answers()
  await alice.hangsUp()
  await w.advance(1000)

  const all = packets().slice(before)
  const callId = all[0]!.correlationId
  const lines = timeline(of(callId))
  const phone = /^tcp (10\.0\.0\.10:\d+) /.exec(lines[0]!)![1]!
  assert.deepEqual(
    lines.map((line) =>
      line
        .replaceAll(phone, 'alice')
        .replaceAll('10.0.0.1:5060', 'gw')
        .replaceAll(/10\.0\.0\.11:\d+/g, 'carol'),
    ),
    [
      'tcp alice -> gw INVITE',
      'invocation /invite/example.com/carol sip.request answer subscribe,subscribe,push,fork,halt',
      'tcp gw -> alice 182 INVITE',
      'udp gw -> carol INVITE',
      'event push.accepted',
      'invocation /on/late-fork subscription.matched contact.registered answer fork',
      'udp gw -> carol INVITE',
      'udp carol -> gw 180 INVITE',
      'tcp gw -> alice 180 INVITE',
      'event call.ringing',
      'udp carol -> gw 200 INVITE',
      'tcp gw -> alice 200 INVITE',
      'event call.answered',
      'tcp alice -> gw ACK',
      'udp gw -> carol ACK',
      'tcp alice -> gw BYE',
      'udp gw -> carol BYE',
      'udp carol -> gw 200 BYE',
      'tcp gw -> alice 200 BYE',
      'event call.ended',
      'event cdr.created',
    ],
  )
  const times = all.map(({ at }) => at)
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  )
  assert.equal(new Set(times).size, times.length)
  // What belongs to the phone's REGISTER is found beside it.
  const register = all.find(({ protocol, payload }) => protocol === 1 && payload.startsWith('REGISTER'))!
  assert.ok(timeline(of(register.correlationId)).includes('event contact.registered'))
  await w.assertQuiet()
  await w.stop()
})

test('what a call does at an event without any function is on its timeline', async () => {
  const sip = new SipRouter()
  sip.invite('/:domain/:user', (call) => {
    call.subscribe('contact.registered', { aor: call.aor }, [fork(fromEvent('contact'))], { for: '30s' })
    call.halt('30s')
  })
  const { w, packets, of } = await watchedWorld({ app: sip })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  await alice.invites('bob')
  await bob.registers()
  await bob.answers()
  await w.advance(0)
  const lines = timeline(of(packets()[0]!.correlationId))
  assert.ok(lines.includes('reaction contact.registered fork'), lines.join('\n'))
  await bob.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('a function that fails is seen with every try, an event from outside with what it is about', async () => {
  const sip = new SipRouter()
  sip.invite('/:domain/:user', ((): never => {
    throw new Error('no')
  }) as (call: unknown) => void)
  const { w, packets, of } = await watchedWorld({ app: sip })
  const alice = await w.phone('alice')
  await alice.invites('bob')
  await w.advance(3000)
  const notes = packets().filter(({ protocol }) => protocol === 100)
  const failed = notes.map(({ payload }) => JSON.parse(payload)).find(({ invocation }) => invocation !== undefined)
  assert.deepEqual(
    { ...failed, id: '', ms: 0 },
    {
      invocation: '/invite/example.com/bob',
      id: '',
      type: 'sip.request',
      result: 'failed',
      problem: 'handler.threw',
      tries: 2,
      failures: ['handler.threw', 'handler.threw'],
      ms: 0,
    },
  )
  await w.publish('pickup', { aor: 'sip:bob@example.com', token: 'SECRET', by: 'Jörg' })
  await w.advance(0)
  const [pickup] = of('sip:bob@example.com')
  assert.deepEqual(JSON.parse(Buffer.from(pickup!.payload, 'latin1').toString('utf8')).attributes, {
    aor: 'sip:bob@example.com',
    token: '[redacted]',
    by: 'Jörg',
  })
  await w.publish('door.opened', { door: '7' })
  await w.advance(0)
  assert.match(packets().at(-1)!.payload, /door\.opened/)
  assert.notEqual(packets().at(-1)!.correlationId, '')
  await w.assertQuiet()
  await w.stop()
})

test('credentials of phones do not reach the collector, and who they are of does (RFC 3261 22)', async () => {
  const sip = new SipRouter()
  sip.register('/:domain/:user', (async (call: Call) => {
    const user = await call.authenticate({ realm: 'example.com', user: () => 'secret of bob' })
    if (user) call.save()
  }) as (call: unknown) => void)
  const { w, packets } = await watchedWorld({ app: sip })
  const bob = await w.phone('bob')
  const challenge = await bob.registers()
  const account = { method: 'REGISTER', uri: 'sip:example.com', username: 'bob', password: 'secret of bob' }
  const header = authorization(challenge, account)
  assert.equal((await bob.registers({ headers: [header] })).status, 200)
  const response = /response="([0-9a-f]+)"/.exec(header[1])![1]!
  await w.advance(0)
  const texts = packets().map(({ payload }) => payload)
  assert.ok(texts.some((text) => text.includes('username="bob"')))
  assert.ok(texts.every((text) => !text.includes(response)))
  await w.stop()
})
