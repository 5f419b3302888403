import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Reader } from '../../../functions/contract/settings.ts'
import { mediaSettings } from '../../../gateway/media/settings.ts'

function read(env: Record<string, string>) {
  const reader = new Reader(env)
  return { settings: mediaSettings(reader), faults: reader.faults.map(({ message }) => message) }
}

describe('settings of rtpengines', () => {
  test('nothing set: nothing is relayed', () => {
    assert.deepEqual(read({}), { settings: undefined, faults: [] })
  })

  test('several, with ports and weights of their own', () => {
    const { settings, faults } = read({
      RTPENGINE_URL: 'udp://127.0.0.1:22222;weight=2, udp://[2001:DB8::1] ,udp://Media.example.com:2223',
      RTPENGINE_DTMF_LISTEN: 'udp://0.0.0.0:22223',
      RTPENGINE_TIMEOUT: '500ms',
      RTPENGINE_PING: '10s',
    })
    assert.deepEqual(faults, [])
    assert.deepEqual(settings, {
      engines: [
        { name: '127.0.0.1:22222', host: '127.0.0.1', port: 22222, weight: 2 },
        { name: '[2001:db8::1]:22222', host: '2001:db8::1', port: 22222, weight: 1 },
        { name: 'media.example.com:2223', host: 'media.example.com', port: 2223, weight: 1 },
      ],
      dtmf: { host: '0.0.0.0', port: 22223 },
      timeoutMs: 500,
      pingMs: 10_000,
    })
  })

  test('defaults: a second to answer, a ping every two', () => {
    const { settings } = read({ RTPENGINE_URL: 'udp://127.0.0.1' })
    assert.deepEqual([settings!.timeoutMs, settings!.pingMs, settings!.dtmf], [1000, 2000, undefined])
  })

  test('what is wrong is told with its remedy', () => {
    const wrong = [
      ...[
        '127.0.0.1:22222',
        'tcp://127.0.0.1:22222',
        'udp://',
        'udp://127.0.0.1:99999',
        'udp://127.0.0.1:0',
        'udp://1.2.3:5',
      ],
      ...[
        'udp://127.0.0.1;weight=0',
        'udp://127.0.0.1;weight=1001',
        'udp://127.0.0.1;wait=1',
        'udp://127.0.0.1;weight=1;weight=2',
      ],
      ...['udp://a b', 'udp://[::1', 'udp://127.0.0.1,udp://127.0.0.1:22222', ',', 'udp://user@host'],
    ]
    for (const url of wrong) {
      const { settings, faults } = read({ RTPENGINE_URL: url })
      assert.equal(settings, undefined, url)
      assert.match(faults[0]!, /^RTPENGINE_URL: expected .*; (write for example|take one of the two out)/, url)
    }
    for (const listen of ['udp://localhost:1', 'udp://127.0.0.1', '127.0.0.1:5', 'udp://1.2.3.4.5:6'])
      assert.match(
        read({ RTPENGINE_URL: 'udp://127.0.0.1', RTPENGINE_DTMF_LISTEN: listen }).faults[0]!,
        /^RTPENGINE_DTMF_LISTEN: .*--dtmf-log-dest/,
      )
    assert.match(read({ RTPENGINE_URL: 'udp://127.0.0.1', RTPENGINE_TIMEOUT: '1h' }).faults[0]!, /^RTPENGINE_TIMEOUT: /)
    assert.match(read({ RTPENGINE_DTMF_LISTEN: 'udp://127.0.0.1:5' }).faults[0]!, /Set RTPENGINE_URL, or unset/)
  })
})
