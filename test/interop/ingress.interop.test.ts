import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createSigner } from '../../functions/contract/sign.ts'
import { absent } from '../peers.ts'
import { startRedis, type TestRedis } from '../support/redis-server.ts'
import { Gateway } from './gateway.ts'
import { host, temporaryDirectory } from './network.ts'
import { eventually, Program } from './program.ts'
import { Callers, Phones, untilAll } from './udp-peers.ts'

/** Webhooks in, as they run: the function at the edge and gateways, each a process of its own, on one Redis. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const REDIS_PORT = 27_401
const SECRET = `whsec_${Buffer.alloc(32, 5).toString('base64')}`
const SHOP_SECRET = 'the secret of the shop'
const UPSTASH = { UPSTASH_REDIS_REST_URL: `http://${host(3)}:8079`, UPSTASH_REDIS_REST_TOKEN: 'a-token' }

const MAPPINGS = {
  shop: {
    auth: {
      scheme: 'hmac-sha256',
      header: 'x-shop-signature',
      encoding: 'hex',
      prefix: 'sha256=',
      secret: { env: 'SHOP_SECRET' },
    },
    when: [{ pointer: '/topic', equals: 'orders/paid' }],
    id: '/id',
    type: 'payment.confirmed',
    attributes: { order: '/order/name' },
  },
}

/** A program of the project that is given this environment and no more. */
async function start(name: string, args: string[], env: Record<string, string>, isReady: RegExp): Promise<Program> {
  const program = new Program(name, process.execPath, args, { cwd: ROOT, env })
  await program.until(program.says(isReady))
  return program
}

describe('webhooks at the edge and at a gateway', { skip: absent('redis-server') }, () => {
  let redis: TestRedis
  let upstash: Program
  let edge: Program
  let gateway: Gateway
  let callers: Callers
  let phones: Phones

  before(async () => {
    redis = await startRedis({ port: REDIS_PORT })
    const { UPSTASH_REDIS_REST_TOKEN: token } = UPSTASH
    const local = { REDIS_URL: redis.url, UPSTASH_LOCAL_LISTEN: `${host(3)}:8079`, UPSTASH_LOCAL_TOKEN: token }
    upstash = await start('upstash-local', ['infra/upstash-local/main.ts'], local, /is ready/)
    const file = join(temporaryDirectory('mappings'), 'mappings.json')
    writeFileSync(file, JSON.stringify(MAPPINGS))
    const events = { EVENTS_SECRET: SECRET, EVENTS_MAPPINGS: file, SHOP_SECRET }
    const entry = ['functions/entry/node.ts', 'functions/entry/ingress.ts']
    edge = await start('ingress', entry, { ...UPSTASH, ...events, PORT: '0' }, /listening on http\S+\n/)
    gateway = await Gateway.start({
      functions: 'test/interop/apps/shop.ts',
      env: { REDIS_URL: redis.url, GATEWAY_ID: 'gw-1', ...UPSTASH, ...events },
    })
    callers = new Callers(gateway.router)
    phones = new Phones(gateway.router)
    await callers.open()
    await phones.open()
  })
  after(async () => {
    await gateway?.stop()
    await edge?.stop()
    await upstash?.stop()
    await redis?.stop()
    callers?.close()
    phones?.close()
  })

  const places = {
    'the edge': () => /listening on (\S+)/.exec(edge.output)![1]!,
    'the gateway': () => gateway.url(''),
  }

  /** A phone for this order is there, and a call that waits until it is paid. */
  const waits = async (order: string) => {
    await untilAll(
      `${order} to be registered`,
      [order],
      (name) => phones.registered.has(name),
      (name) => phones.register(name),
    )
    callers.invite(order)
    await eventually('the call to wait', async () => {
      const { waiting = [] } = (await (await fetch(gateway.url(`/calls/${order}`))).json()) as { waiting?: unknown[] }
      return waiting.length > 0 || undefined
    })
  }

  const isConnected = async (order: string) => {
    await eventually(`${order} to be connected`, () => callers.statusesOf(order).includes(200) || undefined)
    assert.equal(phones.rang.get(order)?.size, 1, `${order} rings once`)
    await callers.hangUp([order])
    await gateway.isIdle()
  }

  for (const [place, url] of Object.entries(places)) {
    const name = (order: string) => `order-${order}-at-${place.split(' ')[1]}`

    test(`a signed event that is posted at ${place} wakes the call; again, also elsewhere, it is the same`, async () => {
      const order = name('1')
      await waits(order)
      const body = JSON.stringify({ type: 'payment.confirmed', attributes: { order } })
      const post = async (to: string, secret = SECRET) => {
        const signed = await createSigner(secret).sign(`evt-${order}`, body, Date.now())
        const headers = { ...signed, 'content-type': 'application/json' }
        return fetch(`${to}/events`, { method: 'POST', headers, body })
      }
      const stranger = await post(url(), `whsec_${Buffer.alloc(32, 6).toString('base64')}`)
      assert.equal(stranger.status, 401)
      for (const to of [url(), places['the edge'](), places['the gateway']()]) {
        const response = await post(to)
        assert.equal(response.status, 202, await response.clone().text())
        assert.deepEqual(await response.json(), { id: `evt-${order}`, matched: 1 })
      }
      await isConnected(order)
    })

    test(`somebody’s own webhook at ${place} wakes the call by its mapping, and what else it sends does not`, async () => {
      const order = name('2')
      await waits(order)
      const post = async (message: object) => {
        const body = JSON.stringify(message)
        const signature = `sha256=${createHmac('sha256', SHOP_SECRET).update(body).digest('hex')}`
        const headers = { 'x-shop-signature': signature, 'content-type': 'application/json' }
        return fetch(`${url()}/events/shop`, { method: 'POST', headers, body })
      }
      const opened = await post({ topic: 'orders/opened', id: 1, order: { name: order } })
      assert.equal(opened.status, 204)
      assert.deepEqual(callers.statusesOf(order), [])
      const id = `paid-${order}`
      const paid = await post({ topic: 'orders/paid', id, order: { name: order } })
      assert.equal(paid.status, 202, await paid.clone().text())
      assert.deepEqual(await paid.json(), { id: `shop#${id}`, matched: 1 })
      await isConnected(order)
    })
  }

  test('the gateway counts what was posted there', async () => {
    const text = await (await fetch(gateway.url('/metrics'))).text()
    assert.match(text, /^rouse_events_posted_total\{result="accepted"\} \d+$/m)
    assert.match(text, /^rouse_events_posted_total\{result="request\.unauthorized"\} 1$/m)
  })
})
