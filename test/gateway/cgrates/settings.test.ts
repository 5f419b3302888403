import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Reader } from '../../../functions/contract/settings.ts'
import { cgratesSettings } from '../../../gateway/cgrates/settings.ts'

function read(env: Record<string, string>) {
  const reader = new Reader(env)
  const settings = cgratesSettings(reader)
  return { settings, faults: reader.faults.map(({ message }) => message) }
}

describe('settings', () => {
  test('without CGRATES_URL there is no billing, whatever else is set', () => {
    assert.deepEqual(read({ CGRATES_AWAY: 'pass' }), { settings: undefined, faults: [] })
  })

  test('with nothing but the URL: cgrates.org, refuse, 30 s, 2 s; the bidirectional port', () => {
    assert.deepEqual(read({ CGRATES_URL: 'tcp://billing.example.com' }).settings, {
      address: { kind: 'tcp', host: 'billing.example.com', port: 2014 },
      tenant: 'cgrates.org',
      away: 'refuse',
      intervalMs: 30_000,
      timeoutMs: 2000,
    })
  })

  const addresses: [string, object][] = [
    ['tcp://127.0.0.1:2012', { kind: 'tcp', host: '127.0.0.1', port: 2012 }],
    ['tcp://[::1]:2014', { kind: 'tcp', host: '::1', port: 2014 }],
    ['http://127.0.0.1:2080/jsonrpc', { kind: 'http', url: 'http://127.0.0.1:2080/jsonrpc', authorization: undefined }],
    [
      'https://us%65r:p%3Ass@cgr/jsonrpc',
      { kind: 'http', url: 'https://cgr/jsonrpc', authorization: `Basic ${btoa('user:p:ss')}` },
    ],
  ]
  for (const [url, address] of addresses)
    test(`CGRATES_URL=${url}`, () => assert.deepEqual(read({ CGRATES_URL: url }).settings?.address, address))

  test('every mistake is one sentence with its remedy, and says nothing of a password', () => {
    const env = {
      CGRATES_AWAY: 'maybe',
      CGRATES_TENANT: 'a b',
      CGRATES_DEBIT_INTERVAL: '10ms',
      CGRATES_TIMEOUT: '5m',
    }
    assert.equal(read(env).faults.length, 4)
    const wrong = ['cgrates:2014', 'udp://x:1', 'tcp://u:secret@x:1', 'tcp://x:1/path', 'http://u:secret@x/#f']
    for (const url of [...wrong, 'http://u:secret%zz@x/']) {
      const { settings, faults } = read({ CGRATES_URL: url })
      assert.equal(settings, undefined)
      assert.match(faults[0]!, /^CGRATES_URL: expected tcp:\/\/host:port, or an http or https URL.*write for example/)
      assert.doesNotMatch(faults[0]!, /secret/)
    }
  })
})
