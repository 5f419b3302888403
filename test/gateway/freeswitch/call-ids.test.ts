import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { CallIds } from '../../../gateway/freeswitch/call-ids.ts'
import { Channels } from '../../../gateway/freeswitch/channels.ts'
import { eventIn, type SwitchEvent } from '../../../gateway/freeswitch/event.ts'
import { settled } from '../../support/fake-clock.ts'

function scene() {
  const found: string[] = []
  const asked: { uuid: string; answer(callId: string | undefined): void }[] = []
  let dropped = 0
  const ids = new CallIds({
    ask: (uuid) => new Promise((answer) => void asked.push({ uuid, answer })),
    found: (event, callId) => void found.push(`${event.name} ${event.get('Note')} ${callId}`.replaceAll(/ +/g, ' ')),
    dropped: () => void dropped++,
  })
  const take = (name: string, headers: Record<string, string> = {}, isWanted = true) =>
    ids.take(event(name, headers), isWanted)
  return { found, asked, ids, take, dropped: () => dropped }
}

function event(name: string, headers: Record<string, string>): SwitchEvent {
  return { name, subclass: '', get: (header) => headers[header] ?? '' }
}

const u1 = { 'Unique-ID': 'u-1' }
const said = { ...u1, variable_sip_call_id: 'c@x' }

describe('which call an event is of', () => {
  test('it says so itself, or an earlier one of its channel did; one that nobody wants teaches, too', () => {
    const { found, take, asked } = scene()
    take('CHANNEL_CREATE', said, false)
    take('DTMF', u1)
    take('CHANNEL_ANSWER', { ...said, variable_sip_call_id: 'd@x' })
    take('DTMF', u1)
    assert.deepEqual(found, ['DTMF c@x', 'CHANNEL_ANSWER d@x', 'DTMF d@x'])
    assert.equal(asked.length, 0)
  })

  test('one without a channel is of none, and nobody is asked; nor of a channel whose name is no word', () => {
    const { found, take, asked, ids } = scene()
    take('CUSTOM')
    take('X', { 'Unique-ID': 'u 1' })
    take('X', { 'Unique-ID': 'u\napi shutdown', variable_sip_call_id: 'c@x' })
    take('X', { 'Unique-ID': 'u'.repeat(300) })
    assert.deepEqual(found, ['CUSTOM ', 'X ', 'X c@x', 'X '])
    assert.equal(asked.length, 0)
    assert.deepEqual(ids.channels.uuids('c@x'), [])
  })

  test('while it is asked for, everything of that channel waits, in its order, and nothing of another', async () => {
    const { found, take, asked } = scene()
    take('DTMF', { ...u1, Note: '1' })
    take('DTMF', { 'Unique-ID': 'u-2', variable_sip_call_id: 'other@x' })
    // A digit must not overtake another, though from here on the call is known.
    take('CHANNEL_ANSWER', said)
    take('DTMF', { ...u1, Note: '2' })
    assert.deepEqual(found, ['DTMF other@x'])
    assert.deepEqual(
      asked.map(({ uuid }) => uuid),
      ['u-1'],
    )
    asked[0]!.answer(undefined)
    await settled()
    assert.deepEqual(found.slice(1), ['DTMF 1 c@x', 'CHANNEL_ANSWER c@x', 'DTMF 2 c@x'])
    take('DTMF', { ...u1, Note: '3' })
    assert.equal(found.at(-1), 'DTMF 3 c@x')
  })

  test('one that has no call is not asked again; one of which nobody says anything is', async () => {
    const { found, take, asked } = scene()
    for (const answer of [undefined, '']) {
      take('DTMF', u1)
      asked.at(-1)!.answer(answer)
      await settled()
    }
    take('DTMF', u1)
    assert.equal(asked.length, 2)
    assert.deepEqual(found, ['DTMF ', 'DTMF ', 'DTMF '])
    // An outgoing leg has its call once the INVITE is sent.
    take('CHANNEL_ANSWER', said, false)
    take('DTMF', u1)
    assert.equal(found.at(-1), 'DTMF c@x')
  })

  test('a channel that is gone, or has another name, is forgotten, also while it is asked for', async () => {
    const { take, asked, ids } = scene()
    take('CHANNEL_CREATE', said, false)
    take('CHANNEL_UUID', { 'Unique-ID': 'u-9', 'Old-Unique-ID': 'u-1', variable_sip_call_id: 'c@x' }, false)
    assert.deepEqual(ids.channels.uuids('c@x'), ['u-9'])
    take('CHANNEL_DESTROY', { 'Unique-ID': 'u-9', variable_sip_call_id: 'c@x' }, false)
    take('DTMF', { 'Unique-ID': 'u-3' })
    take('CHANNEL_DESTROY', { 'Unique-ID': 'u-3' }, false)
    asked[0]!.answer('e@x')
    await settled()
    assert.equal(ids.channels.size, 0)
  })

  test('a digit whose channel is gone before the answer comes is of the call that the channel said in the end', async () => {
    const { found, take, asked, ids } = scene()
    take('DTMF', u1)
    take('CHANNEL_HANGUP', said, false)
    take('CHANNEL_DESTROY', said, false)
    asked[0]!.answer('')
    await settled()
    assert.deepEqual(found, ['DTMF c@x'])
    assert.equal(ids.channels.size, 0)
  })

  for (const format of ['json', 'plain'] as const)
    test(`of a channel nothing is kept but its name and its call: no event that said them (${format})`, () => {
      const { ids } = scene()
      const rest = { 'Event-Name': 'CHANNEL_CREATE', Rest: 'x'.repeat(200_000) }
      setFlagsFromString('--expose-gc')
      const collect = runInNewContext('gc') as () => void
      const used = () => {
        collect()
        return process.memoryUsage().heapUsed
      }
      const before = used()
      for (let n = 0; n < 200; n++) {
        const headers = { ...rest, 'Unique-ID': `channel-number-${n}`, variable_sip_call_id: `call-number-${n}` }
        const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\n`)
        const body = format === 'json' ? JSON.stringify(headers) : `${lines.join('')}\n`
        ids.take(eventIn({ headers: new Map([['content-type', `text/event-${format}`]]), body })!, false)
      }
      assert.equal(ids.channels.size, 200)
      const kept = used() - before
      assert.ok(kept < 10_000_000, `${kept} octets`)
    })

  test('ten thousand wait, those beyond are dropped, and told', async () => {
    const { found, take, asked, dropped } = scene()
    for (let n = 0; n < 10_003; n++) take('DTMF', u1)
    assert.equal(dropped(), 3)
    asked[0]!.answer('c@x')
    await settled()
    assert.equal(found.length, 10_000)
    take('DTMF', u1)
    assert.equal(found.length, 10_001)
  })
})

describe('channels', () => {
  test('a hundred thousand are remembered, and the oldest of them forgotten', () => {
    const channels = new Channels()
    for (let n = 0; n <= 100_000; n++) channels.learn(`u-${n}`, `c-${n % 50_000}`)
    assert.equal(channels.size, 100_000)
    assert.equal(channels.callId('u-0'), undefined)
    assert.deepEqual(channels.uuids('c-1'), ['u-1', 'u-50001'])
    channels.learn('u-1', 'c-2')
    assert.deepEqual(channels.uuids('c-1'), ['u-50001'])
    assert.deepEqual(channels.uuids(''), [])
  })
})
