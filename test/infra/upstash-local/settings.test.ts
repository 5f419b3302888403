import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startUpstashLocal } from '../../../infra/upstash-local/server.ts'
import { readSettings } from '../../../infra/upstash-local/settings.ts'

test('without settings it is a Redis and a server on this machine, without a token', () => {
  assert.deepEqual(readSettings({}), {
    ok: true,
    value: {
      redis: { host: '127.0.0.1', port: 6379, username: '', password: '', db: 0 },
      listen: { host: '127.0.0.1', port: 8079 },
      token: undefined,
    },
  })
})

test('a REDIS_URL says user, password and database', () => {
  const read = readSettings({ REDIS_URL: 'redis://me:p%40ss@[::1]:7000/3' })
  assert.ok(read.ok)
  assert.deepEqual(read.value.redis, { host: '::1', port: 7000, username: 'me', password: 'p@ss', db: 3 })
})

test('every mistake is said at once, with its remedy and without passwords', () => {
  const read = readSettings({
    REDIS_URL: 'http://me:hush@host',
    UPSTASH_LOCAL_LISTEN: '127.0.0.1:99999',
    UPSTASH_LOCAL_TOKEN: 'not a token',
  })
  assert.ok(!read.ok)
  const [redis, listen, token] = read.problem
  assert.match(redis!, /^REDIS_URL: expected redis:\/\/host:port, got something else .*; write for example redis:/)
  assert.match(listen!, /^UPSTASH_LOCAL_LISTEN: expected host or host:port, got "127.0.0.1:99999"; write/)
  assert.match(token!, /^UPSTASH_LOCAL_TOKEN: expected letters.*openssl rand/)
  assert.equal(read.problem.length, 3)
  assert.doesNotMatch(read.problem.join(), /hush/)
})

test('TLS to the Redis is refused in words', () => {
  const read = readSettings({ REDIS_URL: 'rediss://host' })
  assert.ok(!read.ok)
  assert.match(read.problem[0]!, /TLS is not in this version/)
})

test('beyond loopback it does not listen without a token', async () => {
  const sentence =
    /^UPSTASH_LOCAL_TOKEN: expected a token, since UPSTASH_LOCAL_LISTEN is 0\.0\.0\.0.*127\.0\.0\.1:8079$/
  const read = readSettings({ UPSTASH_LOCAL_LISTEN: '0.0.0.0' })
  assert.ok(!read.ok)
  assert.equal(read.problem.length, 1)
  assert.match(read.problem[0]!, sentence)
  assert.ok(readSettings({ UPSTASH_LOCAL_LISTEN: '0.0.0.0', UPSTASH_LOCAL_TOKEN: 'long' }).ok)
  const listen = { host: '0.0.0.0', port: 8079 }
  await assert.rejects(startUpstashLocal({ redis: { host: '127.0.0.1', port: 1 }, listen }), { message: sentence })
})
