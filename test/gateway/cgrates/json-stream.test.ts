import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { JsonStream, MAX_MESSAGE_OCTETS, StreamFault } from '../../../gateway/cgrates/json-stream.ts'

const MESSAGES = [
  { id: 1, result: { MaxUsage: 30_000_000_000 }, error: null },
  { id: 2, result: 'a "quoted" \\ text with } and { and ] and \u00e9 \u{1f600}', error: null },
  { id: 3, result: [[{}], [], { a: { b: [1, 2] } }], error: null },
  {},
]

describe('a stream of JSON objects', () => {
  test('is cut into messages wherever the chunks end, with nothing, blanks or line ends between them', () => {
    for (const between of ['', '\n', ' \r\n\t']) {
      const octets = Buffer.from(MESSAGES.map((each) => JSON.stringify(each)).join(between) + between)
      for (let at = 0; at <= octets.length; at++) {
        const stream = new JsonStream()
        const read = [...stream.push(octets.subarray(0, at)), ...stream.push(octets.subarray(at))]
        assert.deepEqual(read, MESSAGES, `cut at ${at}`)
      }
      const one = new JsonStream()
      assert.deepEqual(
        [...octets].flatMap((octet) => one.push(Buffer.from([octet]))),
        MESSAGES,
      )
    }
  })

  const faults: [string, string][] = [
    ['something else than an object', '[1]'],
    ['a text between objects', '{}x'],
    ['brackets that do not belong together', '{"a":[}'],
    ['what is not JSON', '{a:1}'],
    ['HTTP', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['deep nesting', `${'{"a":'.repeat(65)}1`],
  ]
  for (const [what, text] of faults) {
    test(`ends with a fault at ${what}`, () => {
      const stream = new JsonStream()
      assert.throws(() => stream.push(Buffer.from(`${text}}`)), StreamFault)
    })
  }

  test('ends with a fault at a message that is too long, whether it comes at once or in pieces', () => {
    const long = Buffer.from(`{"a":"${'x'.repeat(MAX_MESSAGE_OCTETS)}"}`)
    assert.throws(() => new JsonStream().push(long), StreamFault)
    const stream = new JsonStream()
    assert.throws(() => {
      for (let at = 0; at < long.length; at += 1000) stream.push(long.subarray(at, at + 1000))
    }, StreamFault)
  })

  test('takes a message that is as long as it may be', () => {
    const text = `{"a":"${'x'.repeat(MAX_MESSAGE_OCTETS - 8)}"}`
    assert.equal(new JsonStream().push(Buffer.from(text)).length, 1)
  })
})
