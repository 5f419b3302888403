import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { RouseEvent } from '../../../functions/contract/events.ts'
import type { Store } from '../../../functions/store/store.ts'
import { Freeswitch } from '../../../gateway/freeswitch/freeswitch.ts'
import type { FreeswitchSettings } from '../../../gateway/freeswitch/settings.ts'
import { Counters } from '../../../gateway/observe/counters.ts'
import { createLog } from '../../../gateway/observe/log.ts'
import { createNodeNetwork } from '../../../gateway/transport/node-network.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { FakeSwitch } from '../../support/freeswitch.ts'

const UUID = '6a7f2f3c-0000-4000-8000-000000000001'

/** Real sockets on the loopback, virtual time. */
async function scene(
  t: TestContext,
  {
    password = 'ClueCon',
    user,
    started = true,
    ...more
  }: Partial<FreeswitchSettings> & { password?: string; user?: string; started?: boolean } = {},
) {
  const server = new FakeSwitch(user === undefined ? 'ClueCon' : `${user}:ClueCon`)
  if (started) await server.start()
  const clock = new FakeClock()
  const raised: RouseEvent[] = []
  const lines: string[] = []
  const settings = {
    servers: [{ host: '127.0.0.1', port: server.port, user, password }],
    ...{ events: ['DTMF', 'CHANNEL_ANSWER', 'CHANNEL_HANGUP_COMPLETE'], subclasses: ['a::b'], attributes: [] },
    ...more,
  }
  const store = { publish: async (events: RouseEvent[]) => raised.push(...events) } as unknown as Store
  const freeswitch = new Freeswitch(settings, {
    ...{ store, clock, random: () => 0.5, counters: new Counters(), network: createNodeNetwork() },
    log: createLog('info', { write: (line) => void lines.push(line) }),
    resolve: async (host) => host,
  })
  t.after(async () => {
    freeswitch.stop()
    await server.stop()
  })
  freeswitch.start()
  return { server, clock, raised, freeswitch, lines }
}

/** By turns of the event loop: sockets need some, and no time. */
async function until(isSo: () => boolean): Promise<void> {
  for (let turns = 0; turns < 20_000 && !isSo(); turns++) await new Promise(setImmediate)
  assert.ok(isSo(), 'it does not come to that')
}

const answered = { 'Unique-ID': UUID, variable_sip_call_id: 'c@x' }

describe('FreeSWITCH', () => {
  test('it is logged in to, told what to say, and what it says of a channel is raised for its SIP call', async (t) => {
    const { server, raised, freeswitch } = await scene(t)
    await until(() => server.subscribed === 1)
    assert.deepEqual(server.commands, [
      'auth ClueCon',
      'event json DTMF CHANNEL_ANSWER CHANNEL_HANGUP_COMPLETE CHANNEL_CREATE CHANNEL_DESTROY HEARTBEAT CUSTOM a::b',
    ])
    await until(() => freeswitch.health.isUp)
    server.raise('CHANNEL_CREATE', answered)
    server.raise('HEARTBEAT')
    server.raise('CHANNEL_ANSWER', answered)
    server.raise('DTMF', { 'Unique-ID': UUID, 'DTMF-Digit': '1', 'DTMF-Duration': '1600' })
    server.raise('CUSTOM', { 'Event-Subclass': 'a::b' })
    await until(() => raised.length === 3)
    assert.deepEqual(
      raised.map(({ id, type, attributes }) => [id, type, attributes.callId]),
      [
        ['freeswitch-core-1-3', 'freeswitch.channel_answer', 'c@x'],
        ['freeswitch-core-1-4', 'dtmf', 'c@x'],
        ['freeswitch-core-1-5', 'freeswitch.custom.a.b', undefined],
      ],
    )
  })

  for (const chunk of [1, 3, 7])
    test(`its messages come in pieces of ${chunk}`, async (t) => {
      const { server, raised } = await scene(t)
      server.chunk = chunk
      await until(() => server.subscribed === 1)
      for (let n = 0; n < 20; n++) server.raise('CHANNEL_ANSWER', answered)
      await until(() => raised.length === 20)
    })

  test('a user of a domain logs in by name', async (t) => {
    const { server, freeswitch } = await scene(t, { user: 'rouse@example.com' })
    await until(() => freeswitch.health.isUp)
    assert.equal(server.commands[0], 'userauth rouse@example.com:ClueCon')
  })

  test('a channel that is older than the connection is asked which call it is of, once', async (t) => {
    const { server, raised } = await scene(t)
    server.channels.set(UUID, 'old@x')
    await until(() => server.subscribed === 1)
    server.raise('DTMF', { 'Unique-ID': UUID, 'DTMF-Digit': '1' })
    await until(() => raised.length === 1)
    server.raise('DTMF', { 'Unique-ID': UUID, 'DTMF-Digit': '2' })
    await until(() => raised.length === 2)
    assert.deepEqual(
      raised.map(({ attributes }) => [attributes.callId, attributes.digit]),
      [
        ['old@x', '1'],
        ['old@x', '2'],
      ],
    )
    assert.equal(server.commands.filter((command) => command.startsWith('api')).length, 1)
    // One that nobody knows is no call's: a digit of it is nothing, anything else is without a call.
    const other = UUID.replace('1', '2')
    server.raise('DTMF', { 'Unique-ID': other, 'DTMF-Digit': '3' })
    server.raise('CHANNEL_ANSWER', { 'Unique-ID': other })
    await until(() => raised.length === 3)
    assert.equal(raised[2]!.attributes.callId, undefined)
  })

  test('every channel of a call is killed, with a cause; a call that it does not know is not', async (t) => {
    const { server, freeswitch } = await scene(t)
    await until(() => freeswitch.health.isUp)
    for (const uuid of [UUID, UUID.replace('1', '2')]) {
      server.channels.set(uuid, 'c@x')
      server.raise('CHANNEL_CREATE', { ...answered, 'Unique-ID': uuid })
    }
    let isKilled: boolean | undefined
    await until(() => server.commands.length === 2)
    for (let turns = 0; turns < 50; turns++) await new Promise(setImmediate)
    void freeswitch.kill('c@x', 'CALL_REJECTED').then((is) => {
      isKilled = is
    })
    await until(() => isKilled === true)
    assert.ok(server.commands.includes(`api uuid_kill ${UUID} CALL_REJECTED`))
    assert.equal(server.channels.size, 0)
    assert.equal(await freeswitch.kill('other@x', 'CALL_REJECTED'), false)
    server.raise('CHANNEL_DESTROY', { 'Unique-ID': UUID })
  })

  test('it is absent at the start, dies and comes back, again and again', async (t) => {
    const { server, clock, freeswitch, raised } = await scene(t, { started: false })
    const port = 27_605
    assert.equal(freeswitch.health.isUp, false)
    const late = await scene(t, {
      servers: [{ host: '127.0.0.1', port, user: undefined, password: 'ClueCon' }],
      started: false,
    })
    await until(() => /away/.test(late.freeswitch.health.text))
    for (let lives = 0; lives < 3; lives++) {
      await late.server.start(port)
      for (let seconds = 0; seconds < 40 && late.server.subscribed === 0; seconds++) {
        await late.clock.advance(1000)
        for (let turns = 0; turns < 200; turns++) await new Promise(setImmediate)
      }
      await until(() => late.freeswitch.health.isUp)
      late.server.raise('CHANNEL_ANSWER', answered)
      await until(() => late.raised.length === lives + 1)
      await late.server.stop()
      await until(() => !late.freeswitch.health.isUp)
    }
    assert.equal(raised.length, 0)
    await server.stop()
    await clock.advance(0)
  })

  test('a wrong password is told, never shown, and tried again after a while', async (t) => {
    const { server, clock, freeswitch, lines } = await scene(t, { password: 'wrong-secret' })
    await until(() => /refuses the password/.test(freeswitch.health.text))
    assert.deepEqual(server.commands, ['auth wrong-secret'])
    await clock.advance(29_000)
    for (let turns = 0; turns < 100; turns++) await new Promise(setImmediate)
    assert.equal(server.commands.length, 1)
    await clock.advance(1000)
    await until(() => server.commands.length === 2)
    assert.doesNotMatch(lines.join('') + freeswitch.health.text, /wrong-secret/)
  })

  test('it says good-bye: the connection is made anew; with linger it stays', async (t) => {
    const { server, clock, freeswitch, raised } = await scene(t)
    await until(() => freeswitch.health.isUp)
    server.disconnects(true)
    server.raise('CHANNEL_ANSWER', answered)
    await until(() => raised.length === 1)
    server.disconnects()
    await until(() => /good-bye/.test(freeswitch.health.text))
    await clock.advance(500)
    await until(() => freeswitch.health.isUp)
  })

  test('it falls silent: a connection that only looks alive is given up', async (t) => {
    const { server, clock, freeswitch } = await scene(t)
    await until(() => freeswitch.health.isUp)
    await clock.advance(60_000)
    server.raise('HEARTBEAT')
    for (let turns = 0; turns < 200; turns++) await new Promise(setImmediate)
    await clock.advance(64_000)
    assert.ok(freeswitch.health.isUp)
    await clock.advance(1000)
    assert.match(freeswitch.health.text, /fallen silent/)
  })
})
