import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bencode, type Dictionary, readDictionary } from '../../../gateway/media/bencode.ts'
import { readAnswer, writeCommand } from '../../../gateway/media/ng.ts'

describe('bencode', () => {
  test('what is written is read again, octet for octet', () => {
    const every = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('')
    const value: Dictionary = {
      text: every,
      none: '',
      number: -42,
      zero: 0,
      list: ['a', ['b', 1]],
      inner: { 'd:e': 'x' },
    }
    assert.deepEqual(readDictionary(bencode(value)), value)
  })

  test('is written as every reader of it expects', () => {
    assert.equal(bencode({ command: 'ping' }), 'd7:command4:pinge')
    assert.equal(bencode({ flags: ['a', 'bc'], n: 7 }), 'd5:flagsl1:a2:bce1:ni7ee')
  })

  test('anything but one whole dictionary is nothing', () => {
    const broken = [
      ...[
        '',
        'd',
        'e',
        'de ',
        'de1:a',
        'i1e',
        '3:abc',
        'l1:ae',
        'd1:a',
        'd1:ae',
        'd1:a1:be1:c',
        'di1e1:ae',
        'd1:ai1',
        'd1:aie',
      ],
      ...['d1:ai1.5e', 'd1:a9:be', 'd1:a-1:e', 'd1:a1x:be', 'd99999999999999999999:ae', 'd1:a+1:be', 'd1:al1:be'],
    ]
    for (const text of broken) assert.equal(readDictionary(text), undefined, JSON.stringify(text))
  })

  test('depth and number of values have an end, and so has the time it takes', () => {
    assert.equal(readDictionary(`d1:a${'l'.repeat(60_000)}`), undefined)
    assert.equal(readDictionary(`d1:a${'l'.repeat(20)}${'e'.repeat(20)}e`), undefined)
    assert.equal(readDictionary(`d1:al${'0:'.repeat(20_000)}ee`), undefined)
  })

  test('a key that objects have by themselves is a key like any other', () => {
    const read = readDictionary('d9:__proto__d1:a1:bee')!
    assert.equal(Object.getPrototypeOf(read), Object.prototype)
    assert.equal(({} as Record<string, unknown>).a, undefined)
  })
})

describe('the ng protocol', () => {
  test('a command is a cookie, a blank and a dictionary', () => {
    assert.equal(writeCommand('c1', { command: 'ping' }), 'c1 d7:command4:pinge')
  })

  test('ok and pong are done; anything else is refused, with its reason on one line', () => {
    assert.deepEqual(readAnswer('c1 d6:result4:ponge'), {
      cookie: 'c1',
      outcome: { kind: 'done', answer: { result: 'pong' } },
    })
    assert.deepEqual(readAnswer('c1 d6:result5:error12:error-reason7:no\r\nwaye')?.outcome, {
      kind: 'refused',
      reason: 'no  way',
    })
    assert.deepEqual(readAnswer('c1 d6:result10:load limite')?.outcome, { kind: 'refused', reason: 'load limit' })
    assert.deepEqual(readAnswer('c1 de')?.outcome, { kind: 'refused', reason: 'no result' })
  })

  test('a datagram that is no answer is nothing', () => {
    for (const text of ['', ' ', 'c1', 'c1 ', ' de', 'c1  de', 'c1 dx', `${'c'.repeat(65)} de`])
      assert.equal(readAnswer(text), undefined, JSON.stringify(text))
  })
})
