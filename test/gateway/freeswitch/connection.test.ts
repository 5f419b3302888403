import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { EslConnection } from '../../../gateway/freeswitch/connection.ts'
import type { EslServer } from '../../../gateway/freeswitch/settings.ts'
import type { Connect } from '../../../gateway/freeswitch/wire.ts'
import { answer, Line, reply } from '../../support/esl-line.ts'
import { FakeClock } from '../../support/fake-clock.ts'

/** One connection after the other, in virtual time; the test is the other side. */
function scene(options: Partial<EslServer> & { wanted?: string[]; random?: number } = {}) {
  const { wanted = ['DTMF'], random = 0.5, ...server } = options
  const clock = new FakeClock()
  const wires: Line[] = []
  const told: string[] = []
  const events: string[] = []
  const connect: Connect = (host, port, heard) => {
    const line = new Line(`${host}:${port}`, heard)
    wires.push(line)
    return line
  }
  const connection: EslConnection = new EslConnection({
    server: { host: '::1', port: 8021, user: undefined, password: 'ClueCon', format: 'json', ...server },
    ...{ wanted, useful: ['CHANNEL_CREATE'], connect, clock, random: () => random },
    told: () => void told.push(connection.state.isUp ? 'up' : connection.state.trouble),
    heard: ({ body }) => void events.push(body),
  })
  connection.start()
  return { clock, wires, told, events, connection, wire: () => wires.at(-1)! }
}

describe('a connection to an event socket', () => {
  test('nothing is said before it asks for the password; then each event is subscribed to by itself', async () => {
    const { wire, told, clock, connection } = scene({ wanted: ['DTMF', 'CUSTOM a::b'], format: 'plain' })
    assert.equal(wire().address, '::1:8021')
    assert.deepEqual(wire().said, [])
    await wire().says('Content-Type: auth/request\n\n')
    assert.deepEqual(wire().said.splice(0), ['auth ClueCon\n\n'])
    await wire().says('Content-Type: auth/request\n\n')
    await wire().says(reply('+OK accepted'))
    assert.deepEqual(wire().said, [
      'event plain DTMF\n\n',
      'event plain CUSTOM a::b\n\n',
      'event plain CHANNEL_CREATE\n\n',
    ])
    assert.deepEqual(told, [])
    await wire().says(reply('+OK event listener enabled plain').repeat(3))
    assert.deepEqual(told, ['up'])
    connection.stop()
    assert.deepEqual([wire().said.at(-1), wire().isEnded], ['exit\n\n', true])
    await clock.advance(1000)
    assert.equal(wire().isDestroyed, true)
    assert.equal(clock.pending, 0)
    assert.deepEqual(told, ['up'])
  })

  test('a user of a domain logs in by name; what he may do comes with the answer', async () => {
    const { wire, told } = scene({ user: 'rouse@example.com', password: 'p w:x' })
    await wire().says('Content-Type: auth/request\n\n')
    assert.deepEqual(wire().said, ['userauth rouse@example.com:p w:x\n\n'])
    await wire().says(reply('+OK accepted\nAllowed-Events: all\nAllowed-API: all\nAllowed-LOG: true'))
    await wire().says(reply('+OK').repeat(2))
    assert.deepEqual(told, ['up'])
  })

  test('events that it does not know, or denies, are told of; those it can do without are not', async () => {
    const { wire, connection } = scene({ wanted: ['DTFM', 'DTMF', 'CHANNEL_ANSWER'] })
    await wire().says('Content-Type: auth/request\n\n')
    await wire().says(reply('+OK accepted'))
    for (const text of [
      '-ERR no keywords supplied',
      '+OK event listener enabled json',
      '-ERR permission denied',
      '-ERR',
    ])
      await wire().says(reply(text))
    assert.deepEqual(connection.state, {
      isUp: true,
      refused: ['DTFM (-ERR no keywords supplied)', 'CHANNEL_ANSWER (-ERR permission denied)'],
    })
  })

  test('answers belong to commands in their order, whatever events come in between; an answer more is the end', async () => {
    const { wire, connection, events, told } = scene()
    await wire().isGood()
    const answers = Promise.all([connection.api('one', 1000), connection.api('two', 1000), connection.api('no', 1000)])
    assert.deepEqual(wire().said.slice(-3), ['api one\n\n', 'api two\n\n', 'api no\n\n'])
    const event = 'Content-Length: 2\nContent-Type: text/event-json\n\n{}'
    await wire().says(
      `${event}${answer('+OK\n')}${event}Content-Type: log/data\nContent-Length: 1\n\nx${answer('two')}`,
    )
    await wire().says(`\n\n${reply('-ERR permission denied')}`)
    assert.deepEqual(await answers, ['+OK', 'two', '-ERR permission denied'])
    assert.deepEqual(events, ['{}', '{}'])
    await wire().says(reply('+OK'))
    assert.deepEqual(told, ['up', 'it answers what it was not asked'])
    assert.equal(wire().isDestroyed, true)
  })

  test('a command with a line end is none, and one is answered while it is there only', async () => {
    const { wire, connection } = scene()
    assert.equal(await connection.api('version', 1000), undefined)
    await wire().isGood()
    const said = wire().said.length
    for (const command of ['version\n\napi shutdown', 'a\rb', 'a\0'])
      assert.equal(await connection.api(command, 1000), undefined)
    assert.equal(wire().said.length, said)
    const lost = connection.api('version', 1000)
    await wire().closes()
    assert.equal(await lost, undefined)
  })

  test('who waits for an answer does for so long; one that never comes ends the connection', async () => {
    const { wire, connection, clock, told } = scene()
    await wire().isGood()
    const late = connection.api('version', 1000)
    await clock.advance(1000)
    assert.equal(await late, undefined)
    // Late, it is still the answer of that command, and not of the next one.
    const next = connection.api('other', 1000)
    await wire().says(answer('old') + answer('new'))
    assert.equal(await next, 'new')
    void connection.api('version', 1000)
    await clock.advance(5000)
    assert.deepEqual(told, ['up', 'it does not answer'])
  })

  test('while it tells what it has queued it reads no command: who talks is not taken for one that does not answer', async () => {
    const { wire, connection, clock, told } = scene()
    await wire().isGood()
    const asked = connection.api('version')
    for (let seconds = 0; seconds < 60; seconds += 4) {
      await clock.advance(4000)
      await wire().says('Content-Length: 2\nContent-Type: text/event-json\n\n{}')
    }
    assert.deepEqual(told, ['up'])
    await wire().says(answer('FreeSWITCH'))
    assert.equal(await asked, 'FreeSWITCH')
    void connection.api('version')
    await clock.advance(4999)
    assert.deepEqual(told, ['up'])
    await clock.advance(1)
    assert.deepEqual(told, ['up', 'it does not answer'])
  })

  test('a thousand commands wait for their answers, no more', async () => {
    const { wire, connection } = scene()
    await wire().isGood()
    const said = wire().said.length
    for (let n = 0; n < 1000; n++) void connection.api('version', 1000)
    assert.equal(await connection.api('version', 1000), undefined)
    assert.equal(wire().said.length, said + 1000)
  })

  test('it is reached for again, later and later; what has lasted begins anew', async () => {
    const { wires, wire, clock, told } = scene()
    const waited: number[] = []
    const again = async () => {
      const [count, since] = [wires.length, clock.now()]
      while (wires.length === count) await clock.advance(100)
      waited.push(clock.now() - since)
    }
    for (let n = 0; n < 7; n++) {
      await wire().closes('getaddrinfo ENOTFOUND')
      await again()
    }
    assert.deepEqual(waited, [500, 1000, 2000, 5000, 10_000, 30_000, 30_000])
    // Who lets us in and shows us out is no better.
    await wire().isGood()
    await wire().closes()
    await again()
    assert.equal(waited.at(-1), 30_000)
    await wire().isGood()
    await clock.advance(10_000)
    await wire().closes()
    await again()
    assert.equal(waited.at(-1), 500)
    assert.deepEqual(told.slice(-2), ['up', 'it has closed the connection'])
  })

  for (const [random, pauseMs] of [
    [0, 375],
    [1, 625],
  ] as const)
    test(`of many gateways each comes back at another time: after ${pauseMs} ms with ${random}`, async () => {
      const { wires, wire, clock } = scene({ random })
      await wire().closes()
      await clock.advance(pauseMs - 1)
      assert.equal(wires.length, 1)
      await clock.advance(1)
      assert.equal(wires.length, 2)
    })

  for (const [what, text, trouble] of [
    ['its ACL', 'Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n\n', /its ACL/],
    [
      'the ACL of an old one',
      'Content-Type: rude/rejection\nContent-Length 24\n\nAccess Denied, go away.\n\n',
      /its ACL/,
    ],
    ['the password', `Content-Type: auth/request\n\n${reply('-ERR invalid')}`, /refuses the password/],
  ] as const)
    test(`${what} refuses: that is told, and tried again after a minute`, async () => {
      const { wires, wire, clock, told, connection } = scene()
      await wire().says(text)
      assert.match(told[0]!, trouble)
      assert.doesNotMatch(told[0]!, /ClueCon/)
      assert.equal(wire().isDestroyed, true)
      await clock.advance(59_999)
      assert.equal(wires.length, 1)
      await clock.advance(1)
      await wire().isGood()
      assert.deepEqual(connection.state, { isUp: true, refused: [] })
    })

  for (const [what, text, trouble] of [
    ['says good-bye', 'Content-Type: text/disconnect-notice\nContent-Length: 3\n\nbye', /good-bye/],
    ['sends a message without end', 'Content-Length: 99999999\n\n', /a message of 99999999 octets/],
    ['sends headers without end', 'x'.repeat(70_000), /endless headers/],
  ] as const)
    test(`one that ${what} is left, and reached for again`, async () => {
      const { wires, wire, clock, told } = scene()
      await wire().isGood()
      await wire().says(text)
      assert.match(told[1]!, trouble)
      await wire().says(reply('+OK'))
      await wire().closes()
      assert.equal(told.length, 2)
      await clock.advance(500)
      assert.equal(wires.length, 2)
    })

  test('with linger a good-bye is none yet', async () => {
    const { wire, told } = scene()
    await wire().isGood()
    await wire().says('Content-Type: text/disconnect-notice\nContent-Disposition: linger\nContent-Length: 0\n\n')
    assert.deepEqual(told, ['up'])
  })

  test('one that lets nobody in is left after five seconds', async () => {
    const { wire, clock, told } = scene()
    await clock.advance(5000)
    assert.deepEqual(told, ['it does not let anybody in'])
    assert.equal(wire().isDestroyed, true)
  })

  test('one that is silent is asked something after 20 s; it answers, or is left', async () => {
    const { wire, clock, told } = scene()
    await wire().isGood()
    const said = wire().said.length
    await clock.advance(15_000)
    await wire().says('Content-Length: 2\nContent-Type: text/event-json\n\n{}')
    await clock.advance(19_000)
    assert.equal(wire().said.length, said)
    await clock.advance(1000)
    assert.deepEqual(wire().said.slice(said), ['api version\n\n'])
    await wire().says(answer('FreeSWITCH'))
    await clock.advance(20_000)
    assert.equal(wire().said.length, said + 2)
    await clock.advance(5000)
    assert.deepEqual(told, ['up', 'it does not answer'])
  })

  test('nothing is read while there is too much: neither its silence counts then, nor that of its answers', async () => {
    const { wire, clock, told, connection } = scene()
    await wire().isGood()
    const asked = connection.api('version', 1000)
    connection.pause()
    assert.equal(wire().isPaused, true)
    await clock.advance(3000)
    const other = connection.api('version', 1000)
    await clock.advance(56_999)
    assert.deepEqual(told, ['up'])
    connection.resume()
    assert.equal(wire().isPaused, false)
    assert.deepEqual(await Promise.all([asked, other]), [undefined, undefined])
    await clock.advance(4999)
    await wire().says(answer('FreeSWITCH').repeat(2))
    await clock.advance(19_000)
    assert.deepEqual(told, ['up'])
    // A new connection is let in first.
    connection.pause()
    await wire().closes()
    await clock.advance(500)
    assert.equal(wire().isPaused, false)
    await wire().isGood()
    assert.equal(wire().isPaused, true)
  })

  test('it is stopped wherever it is, and does nothing more', async () => {
    for (const until of ['reached', 'asked', 'away'] as const) {
      const { wire, wires, clock, connection } = scene()
      if (until === 'asked') await wire().says('Content-Type: auth/request\n\n')
      if (until === 'away') await wire().closes()
      connection.stop()
      assert.equal(clock.pending, 0, until)
      if (until !== 'away') assert.equal(wire().isDestroyed, true, until)
      await clock.advance(120_000)
      assert.equal(wires.length, 1)
    }
  })
})
