import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HttpRpc } from '../../../gateway/cgrates/http-rpc.ts'
import { type Connect, TcpRpc, type WireEvents } from '../../../gateway/cgrates/tcp-rpc.ts'
import { FakeClock, settled } from '../../support/fake-clock.ts'

const MAX_PENDING = 20_000

/** A connection whose other side is the test. */
function scene() {
  const clock = new FakeClock()
  const told: string[] = []
  const lines: { events: WireEvents; sent: { id: number; method?: string }[]; isDestroyed: boolean }[] = []
  const connect: Connect = (events) => {
    const line = { events, sent: [] as { id: number }[], isDestroyed: false }
    lines.push(line)
    const destroy = () => {
      line.isDestroyed = true
    }
    return { write: (text) => void line.sent.push(JSON.parse(text)), destroy }
  }
  const rpc = new TcpRpc({
    ...{ connect, clock, random: () => 0.5, timeoutMs: 2000 },
    events: {
      up: () => void told.push('up'),
      down: (why) => void told.push(`down: ${why}`),
      request: (method, param) => {
        if (method === 'wrong') throw new Error('NOT_IMPLEMENTED')
        return [method, param]
      },
    },
  })
  rpc.start()
  const last = () => lines.at(-1)!
  const receive = (json: unknown) => last().events.received(Buffer.from(JSON.stringify(json)))
  return { clock, told, lines, rpc, last, receive }
}

describe('JSON-RPC over one connection', () => {
  test('a request has a method, one parameter and an id, and no member jsonrpc; answers come in any order', async () => {
    const { rpc, last, receive } = scene()
    last().events.opened()
    const one = rpc.call('SessionSv1.A', { x: 1 })
    const two = rpc.call('SessionSv1.B', {})
    assert.deepEqual(last().sent, [
      { method: 'SessionSv1.A', params: [{ x: 1 }], id: 1 },
      { method: 'SessionSv1.B', params: [{}], id: 2 },
    ])
    receive({ id: 2, result: 'OK', error: null })
    receive({ id: 1, result: null, error: 'NOT_FOUND' })
    receive({ id: 1, result: 'once more', error: null })
    assert.deepEqual(await one, { kind: 'error', error: 'NOT_FOUND' })
    assert.deepEqual(await two, { kind: 'result', result: 'OK' })
    rpc.stop()
  })

  test('the other side asks over it, and hears a result or an error by its own id', () => {
    const { rpc, last, receive } = scene()
    last().events.opened()
    receive({ method: 'SessionSv1.GetActiveSessionIDs', params: [''], id: 'abc' })
    receive({ method: 'wrong', params: [], id: 2 })
    assert.deepEqual(last().sent, [
      { id: 'abc', result: ['SessionSv1.GetActiveSessionIDs', ''], error: null },
      { id: 2, result: null, error: 'NOT_IMPLEMENTED' },
    ])
    rpc.stop()
  })

  test('without a connection nothing is sent; when it breaks, or no answer comes in time, it may have been done', async () => {
    const { rpc, clock, last, told } = scene()
    assert.deepEqual(await rpc.call('m', {}), { kind: 'away', why: 'not tried yet', wasSent: false })
    last().events.opened()
    const late = rpc.call('m', {})
    await clock.advance(2000)
    assert.deepEqual(await late, { kind: 'away', why: 'no answer in time', wasSent: true })
    const broken = rpc.call('m', {})
    last().events.closed('read ECONNRESET')
    assert.deepEqual(await broken, { kind: 'away', why: 'read ECONNRESET', wasSent: true })
    assert.deepEqual(rpc.health, { isUp: false, text: 'away: read ECONNRESET' })
    assert.deepEqual(told, ['up', 'down: read ECONNRESET'])
    rpc.stop()
  })

  test('is made anew, more and more slowly, for as long as it takes, and not after the stop', async () => {
    const { rpc, clock, lines, last } = scene()
    const waits: number[] = []
    for (let tries = 0; tries < 7; tries++) {
      const before = clock.now()
      const count = lines.length
      last().events.closed('connect ECONNREFUSED')
      while (lines.length === count) await clock.advance(50)
      waits.push(clock.now() - before)
    }
    assert.deepEqual(waits, [250, 500, 1000, 2000, 5000, 5000, 5000])
    last().events.opened()
    assert.equal(rpc.health.text, 'connected')
    rpc.stop()
    assert.equal(last().isDestroyed, true)
    await clock.advance(60_000)
    assert.equal(lines.length, 8)
    assert.equal(clock.pending, 0)
  })

  test('one that is idle is asked for a sign of life, and given up without one', async () => {
    const { rpc, clock, lines, last, receive } = scene()
    last().events.opened()
    await clock.advance(10_000)
    assert.equal(last().sent[0]!.method, 'SessionSv1.Ping')
    receive({ id: 1, result: 'Pong', error: null })
    await clock.advance(12_000)
    assert.equal(last().isDestroyed, true)
    assert.equal(rpc.health.text, 'away: it does not answer')
    await clock.advance(250)
    assert.equal(lines.length, 2)
    rpc.stop()
  })

  test('that cannot be made in time is tried anew', async () => {
    const { rpc, clock, lines } = scene()
    await clock.advance(3000)
    assert.equal(lines[0]!.isDestroyed, true)
    assert.equal(rpc.health.text, 'away: no connection in time')
    await clock.advance(250)
    assert.equal(lines.length, 2)
    rpc.stop()
  })

  test('what is no JSON ends it, and it is made anew', async () => {
    const { rpc, clock, lines, last } = scene()
    last().events.opened()
    const asked = rpc.call('m', {})
    last().events.received(Buffer.from('HTTP/1.1 400 Bad Request'))
    assert.equal((await asked).kind, 'away')
    assert.equal(lines[0]!.isDestroyed, true)
    lines[0]!.events.closed('closed twice')
    await clock.advance(250)
    assert.equal(lines.length, 2)
    rpc.stop()
  })

  test('only so many requests wait at once', async () => {
    const { rpc, last } = scene()
    last().events.opened()
    for (let n = 0; n < MAX_PENDING; n++) void rpc.call('m', {})
    assert.deepEqual(await rpc.call('m', {}), { kind: 'away', why: 'too many requests wait', wasSent: false })
    rpc.stop()
  })
})

describe('JSON-RPC over HTTP', () => {
  function scene(answer: (method: string) => Promise<string>) {
    const clock = new FakeClock()
    const told: string[] = []
    const post = (body: string) => answer(JSON.parse(body).method)
    const events = { up: () => void told.push('up'), down: (why: string) => void told.push(`down: ${why}`) }
    const rpc = new HttpRpc({ post, clock, timeoutMs: 2000, events })
    rpc.start()
    return { clock, told, rpc }
  }

  test('is there when it answers, whatever it answers, and away when it does not; asked every five seconds', async () => {
    let fault: string | undefined = 'ECONNREFUSED'
    const { clock, told, rpc } = scene(async (method) => {
      if (fault !== undefined) throw new Error(fault)
      return JSON.stringify({ id: 1, result: method === 'SessionSv1.Ping' ? 'Pong' : null, error: 'NOT_FOUND' })
    })
    await settled()
    assert.deepEqual(await rpc.call('m', {}), { kind: 'away', why: 'ECONNREFUSED', wasSent: false })
    fault = undefined
    await clock.advance(5000)
    assert.deepEqual(await rpc.call('m', {}), { kind: 'error', error: 'NOT_FOUND' })
    fault = 'HTTP status 502'
    assert.deepEqual(await rpc.call('m', {}), { kind: 'away', why: 'HTTP status 502', wasSent: true })
    assert.deepEqual(told, ['up', 'down: HTTP status 502'])
    rpc.stop()
    await clock.advance(60_000)
    assert.equal(clock.pending, 0)
  })

  test('a body that is no answer is none', async () => {
    for (const body of ['', 'x', '[]', '{"method":"m","params":[]}', '{"id":1}']) {
      const { rpc } = scene(async () => body)
      await settled()
      assert.equal(rpc.health.isUp, false, body)
      rpc.stop()
    }
  })
})
