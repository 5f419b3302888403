import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readReport } from '../../../gateway/media/dtmf-report.ts'
import { branchKey, ngCallId, plain } from '../../../gateway/media/session-name.ts'

const NAME = { engine: '00000000', branch: branchKey('b'), isDelayed: false }
const CALL = ngCallId(NAME, 'abc@host')

/** As rtpengine 10.5 writes it. */
function written(callid: string, fields: Record<string, unknown> = {}, tag = 'A'): string {
  const { event = 1, duration = 120, type = 'DTMF' } = fields
  return `{"callid":"${callid}","source_tag":"${tag}","tags":["${tag}","B"],"type":"${type}","timestamp":1795721021,"source_ip":"127.0.0.1","event":${event},"duration":${duration},"volume":10}`
}

describe('reports of digits', () => {
  test('a digit of a call of ours, with its duration in milliseconds', () => {
    assert.deepEqual(readReport(written(CALL)), { callId: 'abc@host', digit: '1', durationMs: 120 })
  })

  test('events 0 to 15 are the digits, star, pound and the letters (RFC 4733 3.2)', () => {
    const digits = Array.from({ length: 16 }, (_, event) => readReport(written(CALL, { event }))?.digit).join('')
    assert.equal(digits, '0123456789*#ABCD')
    for (const event of [16, 255, -1, 1.5, '"1"', 'null', '[1]'])
      assert.equal(readReport(written(CALL, { event })), undefined, String(event))
  })

  test('a duration that cannot be is none', () => {
    for (const [duration, read] of [
      [-5, 0],
      ['"x"', 0],
      [1e300, 60_000],
      [120.5, 0],
    ])
      assert.equal(readReport(written(CALL, { duration }))?.durationMs, read)
  })

  test('calls of others, and what is no report, are nothing', () => {
    const others = [
      '',
      'null',
      '[]',
      '{}',
      '"x"',
      'DTMF',
      '{"callid":1}',
      written('abc@host'),
      written(CALL, { type: 'X' }),
    ]
    for (const text of [...others, written(CALL).padEnd(9000)])
      assert.equal(readReport(text), undefined, text.slice(0, 40))
  })

  test('whoever chooses Call-ID and tags of his call presses no digit of another one', () => {
    const victim = ngCallId(NAME, 'victim@host')
    const forged = `x","callid":"${victim}","event":2,"x":"`
    assert.equal(readReport(written(ngCallId(NAME, forged)))?.callId, forged)
    assert.deepEqual(readReport(written(CALL, {}, plain(forged)))?.callId, 'abc@host')
    assert.equal(readReport(written(CALL, {}, forged)), undefined, 'nor when another proxy has passed a tag as it was')
  })
})
