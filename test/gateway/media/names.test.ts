import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inOrder } from '../../../gateway/media/choose.ts'
import {
  branchKey,
  engineKey,
  ngCallId,
  plain,
  readParam,
  sipCallId,
  writeParam,
} from '../../../gateway/media/session-name.ts'

const NAME = { engine: engineKey('127.0.0.1:22222'), branch: branchKey('z9hG4bK1'), isDelayed: false }

describe('the name of a session', () => {
  test('is read from the parameter that it was written to, and from nothing else', () => {
    for (const isDelayed of [false, true])
      assert.deepEqual(readParam(writeParam({ ...NAME, isDelayed })), { ...NAME, isDelayed })
    const param = writeParam(NAME)
    for (const other of ['', param.slice(1), `${param}x`, `${param}dd`, param.toUpperCase(), `${param}\n`])
      assert.equal(readParam(other), undefined, other)
  })

  test('a Call-ID comes back from the call-id of the ng protocol, whatever is in it', () => {
    const every = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('')
    for (const callId of ['a@b', '%41', every]) assert.equal(sipCallId(ngCallId(NAME, callId)), callId)
  })

  test('no Call-ID and no tag gets a quote, a backslash or a line end into what an rtpengine writes', () => {
    const hostile = 'x","callid":"y\\\r\n\0;\u00ff'
    for (const written of [ngCallId(NAME, hostile), plain(hostile)]) {
      assert.match(written, /^[A-Za-z0-9@._~*%;-]+$/)
    }
  })

  test('a call-id of somebody else is none of ours', () => {
    for (const other of [
      '',
      'abc@host',
      `${'0'.repeat(24)};`,
      `${'0'.repeat(24)};a b`,
      `${'g'.repeat(24)};a`,
      `${'0'.repeat(24)};a"`,
    ])
      assert.equal(sipCallId(other), undefined, other)
  })
})

describe('the choice among rtpengines', () => {
  const engine = (name: string, weight: number, isUp: boolean | undefined = true) => ({
    key: engineKey(name),
    name,
    weight,
    isUp,
  })
  const calls = Array.from({ length: 6000 }, (_, number) => `call-${number}`)
  const first = (engines: ReturnType<typeof engine>[], callId: string) => inOrder(engines, callId)[0]?.name

  test('calls are spread by weight', () => {
    const engines = [engine('a', 1), engine('b', 2), engine('c', 3)]
    const counts: Record<string, number> = { a: 0, b: 0, c: 0 }
    for (const callId of calls) counts[first(engines, callId)!]!++
    for (const { name, weight } of engines)
      assert.ok(Math.abs(counts[name]! - weight * 1000) < 150, `${name}: ${counts[name]}`)
  })

  test('a call has one, whoever asks and in whatever order they are written', () => {
    const engines = [engine('a', 1), engine('b', 2), engine('c', 3)]
    for (const callId of calls.slice(0, 100))
      assert.equal(first(engines, callId), first([...engines].reverse(), callId))
  })

  test('when one goes, only its own calls go elsewhere', () => {
    const engines = [engine('a', 1), engine('b', 1), engine('c', 1)]
    const left = [engine('a', 1), engine('b', 1, false), engine('c', 1)]
    for (const callId of calls.slice(0, 500)) {
      const before = first(engines, callId)
      if (before === 'b') assert.notEqual(first(left, callId), 'b')
      else assert.equal(first(left, callId), before)
    }
  })

  test('one that was not heard of yet comes after those that are there; without any there is none', () => {
    for (const callId of calls.slice(0, 50)) {
      const order = inOrder([{ ...engine('a', 1000), isUp: undefined }, engine('b', 1), engine('c', 1, false)], callId)
      assert.deepEqual(
        order.map(({ name }) => name),
        ['b', 'a'],
      )
    }
    assert.deepEqual(inOrder([engine('a', 1, false)], 'x'), [])
  })
})
