import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, test } from 'node:test'
import { createUpstashStore } from '../../../functions/store/redis/rest.ts'
import type { Store } from '../../../functions/store/store.ts'
import { CountingIds, FakeClock } from '../../support/fake-clock.ts'

/** What answers where Upstash should, and how that is told. */

const EVENT = { id: 'e1', type: 'pickup', time: 0, attributes: { code: 'SECRET' } }
let server: Server | undefined

afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

async function storeBefore(answer: { status: number; body: string } | 'nothing'): Promise<[Store, FakeClock]> {
  server = createServer((_request, response) => {
    if (answer === 'nothing') return
    response.statusCode = answer.status
    response.end(answer.body)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const clock = new FakeClock()
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return [createUpstashStore({ url, token: 'a-token', clock, ids: new CountingIds(), deadlineMs: 300 }), clock]
}

describe('the store over REST, when what answers is not as it should be', () => {
  test('nothing: rejected at the deadline, and the request is given up', async () => {
    const [store, clock] = await storeBefore('nothing')
    const asked = once(server!, 'request')
    const rejected = assert.rejects(
      store.publish([EVENT]),
      /^Error: store\.publish: Redis did not answer within 300 ms$/,
    )
    const [, response] = await asked
    const givenUp = once(response, 'close')
    await clock.advance(300)
    await rejected
    await givenUp
    assert.equal(clock.pending, 0)
  })

  const answers: [string, { status: number; body: string }, RegExp][] = [
    ['an error', { status: 401, body: '{"error":"Unauthorized"}' }, /^Error: store\.publish: Unauthorized$/],
    ['JSON of another service', { status: 200, body: '{"result":"OK"}' }, /not one of Upstash's REST API/],
    ['too few replies', { status: 200, body: '[]' }, /not one of Upstash's REST API/],
    ['no JSON', { status: 502, body: '<html>' }, /store\.publish: Unable to parse/],
  ]
  for (const [what, answer, message] of answers) {
    test(`${what}: rejected with what it is, without what was sent`, async () => {
      const [store] = await storeBefore(answer)
      await assert.rejects(store.publish([EVENT]), (error: Error) => {
        assert.match(String(error), message)
        assert.doesNotMatch(String(error), /SECRET|evalsha/)
        return true
      })
    })
  }
})

test('thousands of suspended calls are read in parts, each of which has the time of one operation', async () => {
  const ids = Array.from({ length: 1200 }, (_, index) => `call-${index}`)
  const transaction = { gateway: 'gw', rev: 1, callId: 'c', state: '{}', expiresAt: 1_000_000 }
  const clock = new FakeClock()
  let requests = 0
  server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    requests++
    await clock.advance(250)
    const answered = (JSON.parse(body) as string[][]).map(([command]) => ({
      result: command === 'zrange' ? ids : JSON.stringify(transaction),
    }))
    response.end(JSON.stringify(answered))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const store = createUpstashStore({ url, token: 'a-token', clock, ids: new CountingIds(), deadlineMs: 300 })
  assert.equal((await store.suspended('gw')).length, 1200)
  assert.ok(requests > 3)
  await store.close()
})
