import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

test('npm run demo: a sleeping phone is woken on real sockets', () => {
  const demo = spawnSync(process.execPath, [fileURLToPath(new URL('demo.ts', import.meta.url))], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  assert.equal(demo.status, 0, demo.stdout + demo.stderr)
  const arrows = demo.stdout.split('\n').map((line) =>
    line
      .replace(/^ *\d+ ms +/, '')
      .replace(/ +/g, ' ')
      .replace(/(sip:[^:]+):\d+/, '$1'),
  )
  const expected = [
    'gateway -> tablet INVITE sip:bob@127.0.0.12',
    'gateway -> push wake bob’s phone',
    'gateway -> phone INVITE sip:bob@127.0.0.13',
    'gateway -> alice 200 OK (INVITE)',
    'gateway -> tablet CANCEL sip:bob@127.0.0.12',
    'gateway -> alice 200 OK (BYE)',
  ]
  assert.deepEqual(
    arrows.filter((arrow) => expected.includes(arrow)),
    expected,
  )
})
