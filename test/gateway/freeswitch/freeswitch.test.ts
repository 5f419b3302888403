import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { RouseEvent } from '../../../functions/contract/events.ts'
import type { Store } from '../../../functions/store/store.ts'
import { Freeswitch } from '../../../gateway/freeswitch/freeswitch.ts'
import { connectNode } from '../../../gateway/freeswitch/node-wire.ts'
import type { EslServer, FreeswitchSettings } from '../../../gateway/freeswitch/settings.ts'
import { Counters } from '../../../gateway/observe/counters.ts'
import { createLog } from '../../../gateway/observe/log.ts'
import { CountingIds, FakeClock } from '../../support/fake-clock.ts'
import { FakeSwitch } from '../../support/freeswitch.ts'

const UUID = '6a7f2f3c-0000-4000-8000-000000000001'
const OTHER = '6a7f2f3c-0000-4000-8000-000000000002'
const answered = { 'Unique-ID': UUID, variable_sip_call_id: 'c@x' }

interface SceneOptions extends Partial<FreeswitchSettings> {
  server?: FakeSwitch
  as?: Partial<EslServer>
  publish?: Store['publish']
}

/** Real sockets on the loopback, virtual time. */
async function scene(t: TestContext, { server = new FakeSwitch(), as = {}, publish, ...more }: SceneOptions = {}) {
  await server.start()
  const address = {
    host: '127.0.0.1',
    port: server.port,
    user: undefined,
    password: 'ClueCon',
    format: 'json' as const,
  }
  return { server, ...listening(t, { servers: [{ ...address, ...as }], ...more }, server, publish) }
}

function listening(
  t: TestContext,
  settings: Partial<FreeswitchSettings>,
  server: FakeSwitch,
  publish?: Store['publish'],
) {
  const clock = new FakeClock()
  const raised: RouseEvent[] = []
  const lines: string[] = []
  const counters = new Counters()
  const keeps = async (events: RouseEvent[]) => raised.push(...events)
  const freeswitch = new Freeswitch(
    {
      servers: [],
      events: ['DTMF', 'CHANNEL_ANSWER', 'CHANNEL_HANGUP'],
      ...{ subclasses: ['a::b'], attributes: [], ...settings },
    },
    {
      ...{ clock, counters, ids: new CountingIds(), random: () => 0.5, connect: connectNode },
      store: { publish: publish ?? keeps } as unknown as Store,
      log: createLog('info', { write: (line) => void lines.push(line) }),
    },
  )
  t.after(async () => {
    const stopped = freeswitch.stop()
    await clock.advance(2000)
    await stopped
    await server.stop()
  })
  freeswitch.start()
  const isUp = () => until(() => freeswitch.health.text === 'connected')
  const count = (result: string) => counters.get(`freeswitch_events{result="${result}"}`)
  const backlog = () => [...counters.gauges()].find(([name]) => name === 'freeswitch_backlog')![1]()
  return { clock, raised, freeswitch, lines, isUp, count, counters, backlog, keeps }
}

/** By turns of the event loop: sockets need some, and no time. */
async function until(isSo: () => boolean): Promise<void> {
  for (let turns = 0; turns < 50_000 && !isSo(); turns++) await turn()
  assert.ok(isSo(), 'it does not come to that')
}

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}

const seen = (raised: RouseEvent[]) =>
  raised.map(({ id, type, attributes: { callId, digit } }) => [id, type, callId, digit])

describe('FreeSWITCH', () => {
  for (const format of ['json', 'plain'] as const)
    test(`it is logged in to, told what to say (${format}), and what it says of a channel is raised for its SIP call`, async (t) => {
      const { server, raised, isUp, count } = await scene(t, { as: { format }, attributes: ['variable_list'] })
      await isUp()
      assert.deepEqual(server.commands, [
        'auth ClueCon',
        ...['DTMF', 'CHANNEL_ANSWER', 'CHANNEL_HANGUP', 'CUSTOM a::b'].map((event) => `event ${format} ${event}`),
        ...['CHANNEL_CREATE', 'CHANNEL_UUID', 'CHANNEL_DESTROY'].map((event) => `event ${format} ${event}`),
      ])
      server.raise('CHANNEL_CREATE', answered)
      server.raise('CHANNEL_ANSWER', { ...answered, variable_list: ['Grüße', '2'] }, 'a body\n\nof its own')
      server.raise('DTMF', { 'Unique-ID': UUID, 'DTMF-Digit': '#', 'DTMF-Duration': '1600' })
      server.raise('CUSTOM', { 'Event-Subclass': 'a::b' })
      server.raise('CUSTOM', { 'Event-Subclass': 'not::wanted' })
      await until(() => raised.length === 3)
      assert.deepEqual(seen(raised), [
        ['freeswitch-core-1-2', 'freeswitch.channel_answer', 'c@x', undefined],
        ['freeswitch-core-1-3', 'dtmf', 'c@x', '#'],
        ['freeswitch-core-1-4', 'freeswitch.custom.a.b', undefined, undefined],
      ])
      assert.equal(raised[0]!.attributes.variable_list, 'ARRAY::Grüße|:2')
      assert.equal(raised[1]!.attributes.duration, 200)
      assert.equal(count('raised'), 3)
    })

  for (const chunk of [1, 3, 7])
    test(`its messages come in pieces of ${chunk}`, async (t) => {
      const server = new FakeSwitch()
      server.chunk = chunk
      const { raised, isUp } = await scene(t, { server })
      await isUp()
      for (let n = 0; n < 20; n++) server.raise('CHANNEL_ANSWER', { ...answered, Note: 'ü' })
      await until(() => raised.length === 20)
    })

  test('a message of three million octets comes through; one of five ends the connection, which is made anew', async (t) => {
    const { server, raised, isUp, freeswitch, clock } = await scene(t, { attributes: ['Giant'] })
    await isUp()
    server.raise('CHANNEL_ANSWER', { ...answered, Giant: 'x'.repeat(3_000_000) })
    await until(() => raised.length === 1)
    assert.equal(String(raised[0]!.attributes.Giant).length, 4096)
    server.raise('CHANNEL_ANSWER', { ...answered, Giant: 'x'.repeat(5_000_000) })
    await until(() => /a message of 50\d+ octets/.test(freeswitch.health.text))
    await clock.advance(500)
    await isUp()
    assert.equal(raised.length, 1)
  })

  test('a message that says nothing is counted, and nothing more', async (t) => {
    const { server, raised, isUp, count } = await scene(t)
    await isUp()
    server.sends('Content-Length: 3\nContent-Type: text/event-json\n\n{"a')
    server.sends('Content-Type: text/event-plain\n\n')
    server.raise('CHANNEL_ANSWER', { 'Event-Sequence': '' })
    await until(() => raised.length === 1)
    assert.equal(count('unreadable'), 2)
    // It does not say which one it is.
    assert.equal(raised[0]!.id, 'event1')
  })

  test('a user who is not allowed all events hears the others; calls of channels are asked for then', async (t) => {
    const server = new FakeSwitch('rouse@example.com:ClueCon')
    for (const event of ['CHANNEL_CREATE', 'CHANNEL_ANSWER', 'CHANNEL_DESTROY', 'CHANNEL_UUID'])
      server.denied.add(event)
    const { freeswitch, raised, lines } = await scene(t, { server, as: { user: 'rouse@example.com' } })
    await until(() => freeswitch.health.isUp)
    assert.match(
      freeswitch.health.text,
      /^127\.0\.0\.1:\d+ does not tell of CHANNEL_ANSWER \(-ERR permission denied\)$/,
    )
    assert.match(lines.join(''), /does not tell of all events/)
    server.channels.set(UUID, 'c@x')
    server.raise('DTMF', { 'Unique-ID': UUID, 'DTMF-Digit': '1' })
    await until(() => raised.length === 1)
    assert.equal(raised[0]!.attributes.callId, 'c@x')
    assert.equal(server.commands[0], 'userauth rouse@example.com:ClueCon')
  })

  test('a channel that is older than the connection is asked which call it is of, once; its digits keep their order', async (t) => {
    const { server, raised, isUp } = await scene(t)
    server.channels.set(UUID, 'old@x').set(OTHER, undefined)
    await isUp()
    server.beforeAnswer = () => {
      server.beforeAnswer = () => {}
      server.raise('CHANNEL_ANSWER', { ...answered, variable_sip_call_id: 'old@x' })
      server.raise('DTMF', { 'Unique-ID': UUID, 'DTMF-Digit': '2' })
    }
    server.raise('DTMF', { 'Unique-ID': UUID, 'DTMF-Digit': '1' })
    await until(() => raised.length === 3)
    server.raise('DTMF', { 'Unique-ID': UUID, 'DTMF-Digit': '3' })
    // A channel that is no SIP, or gone, is no call's: a digit of it is nothing, anything else is without a call.
    for (const uuid of [OTHER, 'gone']) {
      server.raise('DTMF', { 'Unique-ID': uuid, 'DTMF-Digit': '4' })
      server.raise('CHANNEL_HANGUP', { 'Unique-ID': uuid })
    }
    await until(() => raised.length === 6)
    assert.deepEqual(
      raised.map(({ type, attributes: { callId, digit } }) => [type, callId, digit]),
      [
        ['dtmf', 'old@x', '1'],
        ['freeswitch.channel_answer', 'old@x', undefined],
        ['dtmf', 'old@x', '2'],
        ['dtmf', 'old@x', '3'],
        ['freeswitch.channel_hangup', undefined, undefined],
        ['freeswitch.channel_hangup', undefined, undefined],
      ],
    )
    assert.equal(server.commands.filter((command) => command.startsWith('api uuid_getvar')).length, 3)
  })

  test('a store that is slow keeps nothing in memory without end: FreeSWITCH keeps it, and nothing is lost', async (t) => {
    const waiting: (() => void)[] = []
    let isSlow = true
    const kept: RouseEvent[] = []
    const publish = async (events: RouseEvent[]) => {
      if (isSlow) await new Promise<void>((resolve) => void waiting.push(resolve))
      return kept.push(...events)
    }
    const { server, isUp, backlog, lines, freeswitch } = await scene(t, { publish, attributes: ['Note'] })
    await isUp()
    const total = 20_000
    for (let n = 0; n < total; n++) server.raise('CHANNEL_ANSWER', { ...answered, Note: `${n} `.repeat(200) })
    await until(() => backlog() >= 1000)
    for (let turns = 0; turns < 500; turns++) await turn()
    assert.ok(backlog() < 2000, `${backlog()} events are held`)
    assert.ok(server.unread > 1_000_000, 'FreeSWITCH keeps the rest')
    assert.match(lines.join(''), /the store is slow/)
    isSlow = false
    for (const go of waiting) go()
    await until(() => kept.length === total)
    assert.deepEqual(
      kept.map(({ attributes }) => Number.parseInt(String(attributes.Note), 10)),
      Array.from({ length: total }, (_, n) => n),
    )
    assert.equal(freeswitch.health.text, 'connected')
  })

  test('a digit whose call is asked for while nothing is read, for however long, is of that call in the end', async (t) => {
    const waiting: (() => void)[] = []
    let isSlow = true
    const kept: RouseEvent[] = []
    const publish = async (events: RouseEvent[]) => {
      if (isSlow) await new Promise<void>((resolve) => void waiting.push(resolve))
      return kept.push(...events)
    }
    const { server, isUp, clock, lines, freeswitch } = await scene(t, { publish })
    await isUp()
    server.channels.set(OTHER, 'old@x')
    // As it does: what it has queued goes before the answer.
    server.beforeAnswer = () => {
      server.beforeAnswer = () => {}
      for (let n = 0; n < 3000; n++) server.raise('CHANNEL_ANSWER', { ...answered, Note: 'x'.repeat(1000) })
    }
    server.raise('DTMF', { 'Unique-ID': OTHER, 'DTMF-Digit': '1' })
    await until(() => /the store is slow/.test(lines.join('')))
    await clock.advance(20_000)
    isSlow = false
    for (const go of waiting) go()
    await until(() => kept.length >= 3001)
    const digit = kept.find(({ type }) => type === 'dtmf')
    assert.deepEqual([digit?.attributes.callId, digit?.attributes.digit], ['old@x', '1'])
    assert.equal(freeswitch.health.text, 'connected')
  })

  test('what the store fails to take is given to it again, under the same id', async (t) => {
    let tries = 0
    const taken: RouseEvent[] = []
    const publish = async (events: RouseEvent[]) => {
      if (++tries < 3) throw new Error('store.publish: away')
      return taken.push(...events)
    }
    const { server, isUp, clock, lines } = await scene(t, { publish })
    await isUp()
    server.raise('CHANNEL_ANSWER', answered)
    await until(() => tries === 1)
    await clock.advance(1000)
    await until(() => taken.length === 1)
    assert.equal(taken[0]!.id, 'freeswitch-core-1-1')
    assert.equal(lines.join('').match(/cannot be published/g)!.length, 1)
  })

  test('a stop takes leave, and hands over what it holds', async (t) => {
    const waiting: (() => void)[] = []
    const kept: RouseEvent[] = []
    const publish = async (events: RouseEvent[]) => {
      await new Promise<void>((resolve) => void waiting.push(resolve))
      return kept.push(...events)
    }
    const { server, isUp, backlog, freeswitch } = await scene(t, { publish })
    await isUp()
    for (let n = 0; n < 3; n++) server.raise('CHANNEL_ANSWER', answered)
    await until(() => backlog() === 3)
    let isStopped = false
    const stopped = freeswitch.stop().then(() => {
      isStopped = true
    })
    await until(() => server.connected === 0)
    assert.equal(server.commands.at(-1), 'exit')
    assert.equal(isStopped, false)
    while (!isStopped) {
      waiting.shift()?.()
      await turn()
    }
    await stopped
    assert.equal(kept.length, 3)
  })

  test('what waits for its call when it is stopped is handed over, too', async (t) => {
    const waiting: (() => void)[] = []
    const kept: RouseEvent[] = []
    const publish = async (events: RouseEvent[]) => {
      await new Promise<void>((resolve) => void waiting.push(resolve))
      return kept.push(...events)
    }
    const { server, isUp, freeswitch } = await scene(t, { publish })
    await isUp()
    server.raise('CHANNEL_HANGUP', { 'Unique-ID': OTHER })
    server.isMute = true
    await until(() => server.commands.some((command) => command.startsWith('api uuid_getvar')))
    let isStopped = false
    const stopped = freeswitch.stop().then(() => {
      isStopped = true
    })
    await until(() => waiting.length === 1)
    assert.equal(isStopped, false)
    waiting[0]!()
    await stopped
    assert.equal(kept.length, 1)
  })

  test('of several, each is connected to; one that is away is told, and the others go on', async (t) => {
    const one = await new FakeSwitch().start()
    const other = await new FakeSwitch('other').start()
    t.after(() => other.stop())
    const common = { host: '127.0.0.1', user: undefined, format: 'json' as const }
    const servers = [
      { ...common, port: one.port, password: 'ClueCon' },
      { ...common, port: other.port, password: 'other' },
    ]
    const { freeswitch, isUp, raised } = listening(t, { servers }, one)
    await isUp()
    one.channels.set(UUID, 'c@x')
    one.raise('CHANNEL_ANSWER', answered)
    other.core = 'core-2'
    other.raise('CHANNEL_ANSWER', { ...answered, 'Unique-ID': OTHER })
    await until(() => raised.length === 2)
    await other.stop()
    await until(() => freeswitch.health.text.startsWith(`127.0.0.1:${other.port} away: `))
    assert.equal(freeswitch.health.isUp, true)
    assert.equal(await freeswitch.kill('c@x', 'NORMAL_CLEARING'), undefined)
    assert.deepEqual(one.commands.at(-1), `api uuid_kill ${UUID} NORMAL_CLEARING`)
    await one.stop()
    await until(() => !freeswitch.health.isUp)
    assert.equal(await freeswitch.kill('c@x', 'NORMAL_CLEARING'), 'it is away')
  })

  test('every channel of a call is killed, with a cause; why one is not is told', async (t) => {
    const { server, freeswitch, isUp, raised, clock, counters } = await scene(t)
    await isUp()
    for (const uuid of [UUID, OTHER]) {
      server.channels.set(uuid, 'c@x')
      server.raise('CHANNEL_ANSWER', { ...answered, 'Unique-ID': uuid })
    }
    await until(() => raised.length === 2)
    assert.equal(await freeswitch.kill('other@x', 'CALL_REJECTED'), 'it has no such call')
    assert.equal(await freeswitch.kill('c@x', 'CALL_REJECTED'), undefined)
    assert.deepEqual(
      server.commands.slice(-2),
      [UUID, OTHER].map((uuid) => `api uuid_kill ${uuid} CALL_REJECTED`),
    )
    assert.equal(server.channels.size, 0)
    await until(() => raised.length === 4)
    // Both channels are gone.
    server.raise('CHANNEL_ANSWER', { ...answered, 'Unique-ID': 'third' })
    await until(() => raised.length === 5)
    assert.equal(await freeswitch.kill('c@x', 'CALL_REJECTED'), '-ERR No such channel!')
    server.isMute = true
    const late = freeswitch.kill('c@x', 'CALL_REJECTED')
    await clock.advance(1000)
    assert.equal(await late, 'it does not answer')
    assert.equal(counters.get('freeswitch_hangups{result="done"}'), 1)
    assert.equal(counters.get('freeswitch_hangups{result="not done"}'), 3)
  })

  test('it is absent at the start, dies and comes back, again and again; what it says in vain is told once', async (t) => {
    const server = await new FakeSwitch().start()
    const { port } = server
    await server.stop()
    const address = { host: '127.0.0.1', port, user: undefined, password: 'ClueCon', format: 'json' as const }
    const { freeswitch, raised, clock, isUp, lines } = listening(t, { servers: [address] }, server)
    await until(() => /ECONNREFUSED/.test(freeswitch.health.text))
    for (let tries = 0; tries < 3; tries++) {
      await clock.advance(30_000)
      for (let turns = 0; turns < 200; turns++) await turn()
    }
    assert.equal(lines.length, 1)
    for (let lives = 0; lives < 3; lives++) {
      await server.start(port)
      for (let seconds = 0; seconds < 40 && server.subscribed === 0; seconds++) {
        await clock.advance(1000)
        for (let turns = 0; turns < 200; turns++) await turn()
      }
      await isUp()
      server.raise('CHANNEL_ANSWER', answered)
      await until(() => raised.length === lives + 1)
      await server.stop()
      await until(() => !freeswitch.health.isUp)
    }
  })

  test('a wrong password is told, never shown, and tried again after a while', async (t) => {
    const { server, clock, freeswitch, lines } = await scene(t, { as: { password: 'wrong-secret' } })
    await until(() => /refuses the password/.test(freeswitch.health.text))
    assert.deepEqual(server.commands, ['auth wrong-secret'])
    await clock.advance(59_000)
    for (let turns = 0; turns < 100; turns++) await turn()
    assert.equal(server.connects, 1)
    await clock.advance(1000)
    await until(() => server.commands.length === 2)
    assert.doesNotMatch(lines.join('') + freeswitch.health.text, /wrong-secret/)
  })

  for (const rejects of ['text/rude-rejection', 'rude/rejection'] as const)
    test(`its ACL lets nobody in (${rejects}): that is told, and tried again after a while`, async (t) => {
      const server = new FakeSwitch()
      server.rejects = rejects
      const { clock, freeswitch, isUp } = await scene(t, { server })
      await until(() => /its ACL/.test(freeswitch.health.text))
      assert.deepEqual(server.commands, [])
      server.rejects = undefined
      await clock.advance(60_000)
      await isUp()
    })

  test('it says good-bye: the connection is made anew; with linger it stays', async (t) => {
    const { server, clock, freeswitch, raised, isUp } = await scene(t)
    await isUp()
    server.disconnects(true)
    server.raise('CHANNEL_ANSWER', answered)
    await until(() => raised.length === 1)
    server.disconnects()
    await until(() => /good-bye/.test(freeswitch.health.text))
    await clock.advance(500)
    await isUp()
    // Its channels are still known.
    server.raise('DTMF', { 'Unique-ID': UUID, 'DTMF-Digit': '1' })
    await until(() => raised.length === 2)
    assert.equal(raised[1]!.attributes.callId, 'c@x')
  })

  test('it falls silent: a connection that only looks alive is given up', async (t) => {
    const { server, clock, freeswitch, isUp } = await scene(t)
    await isUp()
    await clock.advance(20_000)
    await until(() => server.commands.at(-1) === 'api version')
    for (let turns = 0; turns < 200; turns++) await turn()
    server.isMute = true
    await clock.advance(20_000)
    assert.equal(freeswitch.health.text, 'connected')
    await clock.advance(5000)
    assert.match(freeswitch.health.text, /does not answer/)
  })
})
