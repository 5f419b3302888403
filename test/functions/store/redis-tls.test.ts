import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { absent } from '../../peers.ts'
import { startRedis, type TestRedis } from '../../support/redis-server.ts'

const PORT = 27_214
/** Of no use but here: a certificate for 127.0.0.1 that has signed itself. */
const CERTIFICATE = fileURLToPath(new URL('../../support/tls/cert.pem', import.meta.url))
const KEY = fileURLToPath(new URL('../../support/tls/key.pem', import.meta.url))
const PROBE = fileURLToPath(new URL('../../support/tls-probe.ts', import.meta.url))

async function probe(url: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const options = { env: { ...process.env, ...env }, timeout: 20_000 }
  const { stdout } = await promisify(execFile)(process.execPath, [PROBE, url], options)
  return stdout.trim()
}

describe('a Redis that speaks TLS only', { skip: absent('redis-server') }, () => {
  let redis: TestRedis
  before(async () => {
    const tls = ['--tls-cert-file', CERTIFICATE, '--tls-key-file', KEY, '--tls-ca-cert-file', CERTIFICATE]
    const settings = ['--port', '0', '--tls-port', String(PORT), '--tls-auth-clients', 'no', ...tls]
    redis = await startRedis({ port: PORT, settings })
  })
  after(() => redis?.stop())

  test('rediss:// suspends, and hears what it waits for', async () => {
    assert.equal(await probe(`rediss://127.0.0.1:${PORT}`, { NODE_EXTRA_CA_CERTS: CERTIFICATE }), 'heard 5')
  })

  test('a certificate of an authority that is not known is not trusted', async () => {
    assert.match(await probe(`rediss://127.0.0.1:${PORT}`), /no connection to Redis: .*self-signed certificate/)
  })

  test('redis:// does not get through', async () => {
    assert.match(await probe(`redis://127.0.0.1:${PORT}`), /no connection to Redis/)
  })
})
