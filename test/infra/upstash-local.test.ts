import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Redis } from '@upstash/redis'
import { RedisConnection } from '../../infra/upstash-local/redis-connection.ts'
import { RedisAway } from '../../infra/upstash-local/redis-link.ts'
import { startUpstashLocal, type UpstashLocal } from '../../infra/upstash-local/server.ts'
import { eventually } from '../interop/program.ts'
import { absent } from '../peers.ts'
import { startRedis, type TestRedis } from '../support/redis-server.ts'

/** Upstash's own client, and plain requests, against the local server over a real Redis. */

const PORT = 27_189
const TOKEN = 'a-token'
const AT = { host: '127.0.0.1', port: PORT }
const ANYWHERE = { host: '127.0.0.1', port: 0 }
const BODY_LIMIT = 100_000

describe('upstash-local', { skip: absent('redis-server') }, () => {
  let peer: TestRedis
  let server: UpstashLocal
  let redis: Redis

  before(async () => {
    peer = await startRedis({ port: PORT })
    server = await startUpstashLocal({ redis: AT, listen: ANYWHERE, token: TOKEN, bodyLimit: BODY_LIMIT })
    redis = clientOf(server)
  })
  after(async () => {
    await server?.close()
    await peer?.stop()
  })

  describe("Upstash's client", () => {
    test('strings of digits, of JSON and of words come back as they were set', async () => {
      for (const text of ['15551234567', '007', 'true', 'null', '{"a":1}', '', 'OK', 'grüße 🎉', 'a\r\nb\0']) {
        await redis.set('text', text)
        assert.equal(await redis.get('text'), text)
        await redis.hset('hash', { field: text })
        assert.equal(await redis.hget('hash', 'field'), text)
        await redis.del('list')
        await redis.rpush('list', text, text)
        assert.deepEqual(await redis.lrange('list', 0, -1), [text, text])
      }
      assert.equal(await redis.get('nobody'), null)
    })

    test('numbers, booleans and objects are stored as JSON writes them', async () => {
      await redis.mset({ number: 1.5, flag: true, object: { a: [1, 'x'] } })
      assert.deepEqual(await redis.mget('number', 'flag', 'object'), ['1.5', 'true', '{"a":[1,"x"]}'])
    })

    test('a pipeline answers in order, an error in the place of its command', async () => {
      const pipeline = redis.pipeline().set('word', 'x').incr('word').get('word').ping()
      const results = await pipeline.exec({ keepErrors: true })
      assert.deepEqual(
        results.map(({ result }) => result),
        ['OK', undefined, 'x', 'PONG'],
      )
      assert.match(String(results[1]!.error), /^ERR value is not an integer/)
      await assert.rejects(redis.pipeline().set('word', 'x').incr('word').exec(), /Command 2 .*not an integer/)
    })

    test('a command that is refused costs the others of its pipeline nothing', async () => {
      const pipeline = redis.pipeline()
      pipeline.set('kept', '1')
      pipeline.xread('stream', '$', { blockMS: 1000 })
      const results = await pipeline.exec({ keepErrors: true })
      assert.match(String(results[1]!.error), /^ERR Command is not available: 'XREAD'/)
      assert.equal(await redis.get('kept'), '1')
    })

    test('calls of one turn go as one pipeline', async () => {
      const automatic = clientOf(server, { enableAutoPipelining: true })
      await redis.del('count')
      const counts = await Promise.all(Array.from({ length: 50 }, () => automatic.incr('count')))
      assert.deepEqual(
        counts,
        Array.from({ length: 50 }, (_, i) => i + 1),
      )
      const [failed, fine] = await Promise.allSettled([automatic.lpush('count', 'x'), automatic.get('count')])
      assert.equal(failed.status, 'rejected')
      assert.deepEqual(fine, { status: 'fulfilled', value: '50' })
    })

    test('a transaction runs as one, an error in the place of its command', async () => {
      const results = await redis.multi().set('a', '1').incr('a').get('a').exec()
      assert.deepEqual(results, ['OK', 2, '2'])
      const mixed = await redis.multi().set('a', 'x').incr('a').get('a').exec({ keepErrors: true })
      assert.match(String(mixed[1]!.error), /^ERR value is not an integer/)
      assert.equal(mixed[2]!.result, 'x')
    })

    test('transactions of several clients do not mix', async () => {
      await redis.set('turn', '0')
      const clients = Array.from({ length: 20 }, () => clientOf(server))
      const results = await Promise.all(clients.map((client) => client.multi().incr('turn').incr('turn').exec()))
      for (const [first, second] of results as [number, number][]) assert.equal(second, first + 1)
    })

    test('a script runs by EVAL, then by its digest; an unknown digest is NOSCRIPT', async () => {
      const script = "return {KEYS[1], ARGV[1], {1, false, 'deep'}}"
      assert.deepEqual(await redis.eval(script, ['k'], ['007']), ['k', '007', [1, null, 'deep']])
      const digest = await redis.scriptLoad(script)
      assert.deepEqual(await redis.evalsha(digest, ['k'], ['é']), ['k', 'é', [1, null, 'deep']])
      await assert.rejects(redis.evalsha('0'.repeat(40), [], []), /NOSCRIPT/)
      const loading = redis.createScript<string[]>('return {ARGV[1]}')
      assert.deepEqual(await loading.exec([], ['12']), ['12'])
    })

    test('streams come back nested: XRANGE and XREAD', async () => {
      await redis.del('stream')
      await redis.xadd('stream', '1-1', { aor: 'bob', tel: '15551234567' })
      await redis.xadd('stream', '2-1', { aor: 'älice' })
      assert.deepEqual(await redis.xrange('stream', '-', '+'), [
        ['1-1', ['aor', 'bob', 'tel', '15551234567']],
        ['2-1', ['aor', 'älice']],
      ])
      assert.deepEqual(await redis.xread('stream', '1-1'), [['stream', [['2-1', ['aor', 'älice']]]]])
      assert.equal(await redis.xread('stream', '9-1'), null)
    })

    test('a wrong token is told as Upstash tells it', async () => {
      await assert.rejects(clientOf(server, { token: 'another' }).get('k'), /WRONGPASS invalid or missing auth token/)
    })

    test('a subscription hears its channel until it is ended', async () => {
      const heard: unknown[] = []
      const subscriber = redis.subscribe('news of bob')
      subscriber.on('subscribe', (count) => heard.push(count))
      subscriber.on('message', ({ channel, message }) => heard.push([channel, message]))
      await eventually('subscribed', () => (heard.length > 0 ? true : undefined))
      await redis.publish('news of bob', 'hello, grüße')
      await eventually('message', () => (heard.length > 1 ? true : undefined))
      assert.deepEqual(heard, [1, ['news of bob', 'hello, grüße']])
      await subscriber.unsubscribe()
      await eventually('unsubscribed', async () => ((await redis.publish('news of bob', 'x')) === 0 ? true : undefined))
    })
  })

  describe('plain requests', () => {
    test('octets that are no UTF-8 survive with base64 only', async () => {
      const octets = Buffer.from([0, 255, 13, 10, 128])
      assert.deepEqual(await asked('/set/octets', { body: octets }), [200, { result: 'OK' }])
      const base64 = { 'upstash-encoding': 'base64' }
      assert.deepEqual(await asked('/get/octets', { headers: base64 }), [200, { result: octets.toString('base64') }])
      assert.deepEqual(await asked('/get/octets'), [200, { result: octets.toString('utf8') }])
    })

    test('the path is the command; body and query follow it', async () => {
      assert.deepEqual(await asked('/set/path/value/EX/100', { method: 'GET' }), [200, { result: 'OK' }])
      assert.deepEqual(await asked('/set/path?EX=50&NX', { body: 'x' }), [200, { result: null }])
      assert.deepEqual(await asked('/set/path?EX=50', { body: '{"a":1}', method: 'PUT' }), [200, { result: 'OK' }])
      assert.deepEqual(await asked('/get/path'), [200, { result: '{"a":1}' }])
      const [, left] = await asked('/ttl/path')
      assert.ok((left as { result: number }).result <= 50)
    })

    test('the token may be in the query, and is then no word of the command', async () => {
      const request = (token: string) => fetch(`${server.url}/echo/hi?_token=${token}`)
      const answer = await request(TOKEN)
      assert.deepEqual([answer.status, await answer.json()], [200, { result: 'hi' }])
      const refused = await request('another')
      assert.deepEqual(
        [refused.status, await refused.json()],
        [401, { error: 'WRONGPASS invalid or missing auth token' }],
      )
    })

    const FAULTS: [what: string, path: string, body: string, expected: RegExp][] = [
      ['a wrong command', '/', '["NOSUCH"]', /^ERR unknown command 'NOSUCH'/],
      ['a wrong type', '/', '["LPUSH","plain","x"]', /^WRONGTYPE /],
      ['broken JSON', '/', '["GET"', /^ERR failed to parse command: the body is not JSON/],
      ['no body', '/', '', /^ERR failed to parse command/],
      ['a broken pipeline', '/pipeline', '[["GET","k"],', /^ERR failed to parse pipeline request/],
      ['a pipeline that is one command', '/pipeline', '["GET","k"]', /array of arrays/],
      ['a blocking command', '/', '["BLPOP","q",0]', /^ERR Command is not available: 'BLPOP'/],
      ['a blocking path', '/blpop/q/0', '', /^ERR Command is not available: 'BLPOP'/],
      ['a discarded transaction', '/multi-exec', '[["SET","t","1"],["GET"]]', /^EXECABORT .*wrong number of arguments/],
      ['a transaction with MULTI', '/multi-exec', '[["SET","t","1"],["MULTI"]]', /'MULTI'/],
      ['a body that is too long', '/', `["SET","k","${'x'.repeat(BODY_LIMIT)}"]`, /Limit: 100000 bytes/],
    ]
    for (const [what, path, body, expected] of FAULTS) {
      test(`400 in words: ${what}`, async () => {
        await asked('/set/plain/x')
        const [status, answer] = await asked(path, { body })
        assert.equal(status, 400)
        assert.deepEqual(Object.keys(answer as object), ['error'])
        assert.match((answer as { error: string }).error, expected)
        assert.deepEqual(await asked('/exists/t'), [200, { result: 0 }])
      })
    }

    test('other methods and other formats are refused', async () => {
      assert.equal((await asked('/get/k', { method: 'DELETE' }))[0], 405)
      const [status, answer] = await asked('/get/k', { headers: { 'upstash-response-format': 'resp2' } })
      assert.equal(status, 400)
      assert.match(JSON.stringify(answer), /resp2 is not available/)
    })

    test('without a token programs of this machine may ask, pages in its browser not', async () => {
      const open = await startUpstashLocal({ redis: AT, listen: ANYWHERE })
      try {
        assert.equal((await fetch(`${open.url}/ping`)).status, 200)
        for (const headers of [{ origin: 'https://example.com' }, { 'sec-fetch-site': 'cross-site' }])
          assert.equal((await fetch(`${open.url}/ping`, { headers })).status, 401)
      } finally {
        await open.close()
      }
    })

    test('closing ends streams of events', async () => {
      const another = await startUpstashLocal({ redis: AT, listen: ANYWHERE })
      const stream = await fetch(`${another.url}/psubscribe/*`, { method: 'POST', body: '[]' })
      assert.equal(stream.headers.get('content-type'), 'text/event-stream')
      const started = performance.now()
      await another.close()
      assert.equal(await stream.text(), 'data: psubscribe,*,1\n\n')
      assert.ok(performance.now() - started < 1000)
    })
  })

  describe('a Redis that comes and goes', () => {
    test('what is in flight when it dies is answered 503; afterwards everything works again', async () => {
      peer.pause()
      const asking = [asked('/get/k'), asked('/pipeline', { body: '[["GET","a"],["GET","b"]]' })]
      await new Promise((resolve) => setTimeout(resolve, 50))
      await peer.kill()
      for (const [status, answer] of await Promise.all(asking)) {
        assert.equal(status, 503)
        assert.match(JSON.stringify(answer), /ERR the Redis at 127\.0\.0\.1:27189 is not there/)
      }
      const [status, answer] = await asked('/get/k')
      assert.equal(status, 503)
      assert.match(JSON.stringify(answer), /ECONNREFUSED/)
      await assert.rejects(redis.get('k'), /is not there: ECONNREFUSED/)
      assert.equal((await asked('/subscribe/ch'))[0], 503)
      peer = await startRedis({ port: PORT })
      assert.deepEqual(await asked('/set/k/again'), [200, { result: 'OK' }])
      assert.equal(await redis.get('k'), 'again')
    })

    test('one that has frozen is given up after a while', async () => {
      const connection = new RedisConnection(AT, { replyWithinMs: 100, connectWithinMs: 100 })
      assert.deepEqual(await connection.send([['PING']]), [{ status: 'PONG' }])
      peer.pause()
      await assert.rejects(connection.send([['PING']]), (error: Error) => {
        assert.ok(error instanceof RedisAway)
        assert.match(error.message, /it does not answer/)
        return true
      })
      peer.resume()
      assert.deepEqual(await connection.send([['PING']]), [{ status: 'PONG' }])
      await connection.close()
    })

    test('a reply beyond the limit ends the connection, not the server', async () => {
      const connection = new RedisConnection(AT, { limits: { octets: 1000 } })
      await redis.set('long', 'x'.repeat(2000))
      await assert.rejects(connection.send([['GET', 'long']]), /a reply has more than 1000 octets/)
      assert.deepEqual(await connection.send([['PING']]), [{ status: 'PONG' }])
      await connection.close()
    })

    test('user, password and database are those of its address; a wrong one is said', async () => {
      await redis.exec(['ACL', 'SETUSER', 'me', 'on', '>p@ss', '~*', '+@all'])
      const right = new RedisConnection({ ...AT, username: 'me', password: 'p@ss', db: 3 })
      const [info] = await right.send([['CLIENT', 'INFO']])
      assert.match(String(info), / db=3 .*user=me /)
      await right.close()
      const wrong = new RedisConnection({ ...AT, username: 'me', password: 'other' })
      await assert.rejects(wrong.send([['PING']]), /does not let us in: WRONGPASS.*REDIS_URL/)
    })
  })

  async function asked(path: string, request: RequestInit = {}): Promise<[status: number, answer: unknown]> {
    const headers = { authorization: `Bearer ${TOKEN}`, ...(request.headers as Record<string, string>) }
    const answer = await fetch(server.url + path, { method: 'POST', ...request, headers })
    return [answer.status, await answer.json()]
  }
})

function clientOf({ url }: UpstashLocal, options: { token?: string; enableAutoPipelining?: boolean } = {}): Redis {
  return new Redis({
    url,
    token: TOKEN,
    automaticDeserialization: false,
    enableAutoPipelining: false,
    enableTelemetry: false,
    retry: false,
    ...options,
  })
}
