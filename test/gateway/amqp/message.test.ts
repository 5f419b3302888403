import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { eventOf, type IncomingMessage } from '../../../gateway/amqp/message.ts'

function read(content: string | Buffer, more: Partial<IncomingMessage> = {}) {
  const message = { content: Buffer.from(content), contentType: undefined, messageId: undefined, headers: {}, ...more }
  return eventOf(message, 'rouse.in', { now: 1000, newId: () => 'new-1' })
}

const event = (...args: Parameters<typeof read>) => {
  const result = read(...args)
  assert.ok(result.ok, JSON.stringify(result))
  return result.value.events[0]!.event
}
const detail = (...args: Parameters<typeof read>) => {
  const result = read(...args)
  return result.ok ? 'is an event' : result.problem.detail
}

describe('a message of a queue', () => {
  test('is a plain event, known by the id of the message', () => {
    const text = '{"type":"pickup","attributes":{"aor":"sip:bob@x"}}'
    const attributes = { aor: 'sip:bob@x' }
    assert.deepEqual(event(text), { id: 'new-1', type: 'pickup', time: 1000, attributes })
    assert.equal(event(text, { messageId: 'm-1' }).id, 'rouse.in#m-1')
    for (const messageId of [7, '', {}, 'a\nb', 'x'.repeat(300)]) assert.equal(event(text, { messageId }).id, 'new-1')
  })

  test('is a CloudEvent, structured or binary (AMQP binding 3)', () => {
    const whole = '{"specversion":"1.0","id":"1","source":"/s","type":"pickup","data":{"a":"b"}}'
    const expected = { id: '/s#1', type: 'pickup', time: 1000, attributes: { a: 'b' } }
    assert.deepEqual(event(whole, { contentType: 'application/cloudevents+json; charset=utf-8' }), expected)
    assert.deepEqual(event(whole), expected)
    for (const prefix of ['cloudEvents:', 'cloudEvents_']) {
      const names = { specversion: '1.0', id: '1', source: '/s', type: 'pickup' }
      const headers = Object.fromEntries(Object.entries(names).map(([name, value]) => [prefix + name, value]))
      assert.deepEqual(event('{"a":"b"}', { headers }), expected)
      assert.deepEqual(event('', { headers }), { ...expected, attributes: {} })
      assert.equal(event('', { headers: { ...headers, [`${prefix}id`]: '50% ü "x"' } }).id, '/s#50% ü "x"')
    }
  })

  test('is none of these, and says why', () => {
    assert.equal(detail('{'), 'the message is not JSON')
    assert.equal(detail(Buffer.from([0xff, 0xfe])), 'the message is not JSON')
    assert.equal(detail(Buffer.alloc(1_048_577)), 'expected at most 1048576 octets, got 1048577')
    assert.match(detail('{"type":"dtmf","attributes":{"aor":"x"}}'), /dtmf has no attribute "aor"/)
    assert.match(detail('[]'), /expected/)
    assert.match(detail('{"type":"x"}', { contentType: 'application/cloudevents+json' }), /specversion/)
    assert.match(detail('{"a":', { headers: { 'cloudEvents:specversion': '1.0' } }), /not JSON/)
    assert.match(detail('{}', { headers: { 'cloudEvents:specversion': '1.0', 'cloudEvents:id': 5 } }), /id/)
  })
})
