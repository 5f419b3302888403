import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { eventIn, eventOf } from '../../../gateway/freeswitch/event.ts'
import { type Frame, FrameReader } from '../../../gateway/freeswitch/frames.ts'

const JSON_EVENT = '{"Event-Name":"DTMF","DTMF-Digit":"5","DTMF-Duration":"2000","Note":"Grüße"}'
const STREAM = Buffer.from(
  [
    'Content-Type: auth/request\n\n',
    'Content-Type: command/reply\nReply-Text: +OK accepted\n\n',
    `Content-Length: ${Buffer.byteLength(JSON_EVENT)}\nContent-Type: text/event-json\n\n${JSON_EVENT}`,
    '\n\nContent-Type: api/response\nContent-Length: 4\n\n+OK\n',
  ].join(''),
)

function read(...chunks: Uint8Array[]): Frame[] {
  const reader = new FrameReader()
  return chunks.flatMap((chunk) => reader.push(chunk))
}

const texts = (frames: Frame[]) => frames.map(({ headers, body }) => [headers.get('Content-Type'), body])

describe('messages of the event socket', () => {
  const whole = [
    ['auth/request', ''],
    ['command/reply', ''],
    ['text/event-json', JSON_EVENT],
    ['api/response', '+OK\n'],
  ]

  test('are the same in one piece, split at any octet, and octet by octet', () => {
    assert.deepEqual(texts(read(STREAM)), whole)
    for (let at = 1; at < STREAM.length; at++)
      assert.deepEqual(texts(read(STREAM.subarray(0, at), STREAM.subarray(at))), whole, `split at ${at}`)
    assert.deepEqual(texts(read(...[...STREAM].map((octet) => Buffer.from([octet])))), whole)
  })

  for (const [what, text] of [
    ['a body that is too long', 'Content-Length: 5000000\n\n'],
    ['a length that is none', 'Content-Length: -1\n\n'],
    ['endless headers', `X: ${'y'.repeat(70_000)}`],
    ['endless headers with their end', `X: ${'y'.repeat(70_000)}\n\n`],
  ] as const)
    test(`${what}: the connection is of no use`, () => {
      assert.throws(() => read(Buffer.from(text)))
    })

  test('one that drips takes linear time', () => {
    const reader = new FrameReader()
    const started = performance.now()
    for (let octets = 0; octets < 60_000; octets++) reader.push(Buffer.from('x'))
    assert.ok(performance.now() - started < 3000)
  })
})

describe('events', () => {
  const frame = (type: string, body: string): Frame => ({ headers: new Map([['Content-Type', type]]), body })
  const made = (body: Record<string, string>, callId = 'c@x', more: string[] = []) =>
    eventOf(eventIn(frame('text/event-json', JSON.stringify(body)))!, callId, more)

  test('plain and JSON say the same', () => {
    const plain = eventIn(
      frame('text/event-plain', 'Event-Name: DTMF\nDTMF-Digit: %23\nUnique-ID: u%201\nBad: %\n\ninner body'),
    )!
    assert.deepEqual(['Event-Name', 'DTMF-Digit', 'Unique-ID', 'Bad', 'None'].map(plain.get), [
      'DTMF',
      '#',
      'u 1',
      '%',
      '',
    ])
    const json = eventIn(frame('text/event-json', '{"Event-Name":"DTMF","DTMF-Digit":"#","n":5,"list":["a"]}'))!
    assert.deepEqual(['DTMF-Digit', 'n', 'list', '__proto__', 'constructor'].map(json.get), ['#', '5', '', '', ''])
  })

  test('what is none is none', () => {
    for (const body of ['', '{', 'null', '[]', '"DTMF"', '{"Event-Name":""}'])
      assert.equal(eventIn(frame('text/event-json', body)), undefined)
    assert.equal(eventIn(frame('api/response', JSON_EVENT)), undefined)
  })

  test('a digit is a dtmf, as long as it was pressed; without a call, or no digit, it is nothing', () => {
    const digit = { 'Event-Name': 'DTMF', 'DTMF-Digit': '5', 'DTMF-Duration': '2000' }
    assert.deepEqual(made(digit), {
      type: 'dtmf',
      attributes: { callId: 'c@x', digit: '5', duration: 250, source: 'esl' },
    })
    assert.equal(made(digit, ''), undefined)
    assert.equal(made({ ...digit, 'DTMF-Digit': '55' }), undefined)
    assert.equal(made({ ...digit, 'DTMF-Duration': 'x' })!.attributes.duration, 0)
  })

  test('any other is named after itself, with what is known of its channel and the headers that are asked for', () => {
    const hangup = {
      ...{
        'Event-Name': 'CHANNEL_HANGUP_COMPLETE',
        'Unique-ID': 'u-1',
        'Call-Direction': 'inbound',
        'Hangup-Cause': 'USER_BUSY',
      },
      ...{ 'Caller-Caller-ID-Number': '100', 'Caller-Destination-Number': '200', variable_domain_name: 'x\r\ny' },
    }
    assert.deepEqual(made(hangup, 'c@x', ['variable_domain_name', 'Nothing']), {
      type: 'freeswitch.channel_hangup_complete',
      attributes: {
        ...{ callId: 'c@x', uuid: 'u-1', direction: 'inbound', caller: '100', callee: '200', cause: 'USER_BUSY' },
        variable_domain_name: 'x  y',
      },
    })
    const custom = { 'Event-Name': 'CUSTOM', 'Event-Subclass': 'conference::maintenance' }
    assert.deepEqual(made(custom, ''), { type: 'freeswitch.custom.conference.maintenance', attributes: {} })
    assert.equal(made({ 'Event-Name': 'CUSTOM', 'Event-Subclass': '::' }), undefined)
  })
})
