import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { absent } from '../peers.ts'
import { startRedis, type TestRedis } from '../support/redis-server.ts'
import { Gateway } from './gateway.ts'
import { host } from './network.ts'
import { eventually, Program } from './program.ts'
import { Callers, Phones, untilAll } from './udp-peers.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const REDIS_PORT = 27_211
const SHOP = 'test/interop/apps/shop.ts'
const TOKEN = 'a-token'
const UNSIGNED = { FUNCTIONS_UNSIGNED: 'loopback' }
const UPSTASH = { UPSTASH_REDIS_REST_URL: `http://${host(3)}:8079`, UPSTASH_REDIS_REST_TOKEN: TOKEN }

/** A program of the project that is given this environment and no more. */
async function start(name: string, args: string[], env: Record<string, string>, isReady: RegExp): Promise<Program> {
  const program = new Program(name, process.execPath, args, { cwd: ROOT, env })
  await program.until(program.says(isReady))
  return program
}

const serve = (app: string) =>
  start(app, ['functions/entry/node.ts', app], { ...UPSTASH, ...UNSIGNED, PORT: '0' }, /listening on http\S+\n/)

function urlOf(served: Program): string {
  return /listening on (\S+)/.exec(served.output)![1]!
}

describe('functions that have the REST API of the gateway’s Redis', { skip: absent('redis-server') }, () => {
  let redis: TestRedis
  let webhooks: Program

  before(async () => {
    redis = await startRedis({ port: REDIS_PORT })
    webhooks = await serve('test/interop/apps/webhooks.ts')
  })
  after(async () => {
    await webhooks?.stop()
    await redis?.stop()
  })

  /** Somebody's webhook. */
  const post = async (path: string, body: Record<string, string>) => {
    const response = await fetch(urlOf(webhooks) + path, { method: 'POST', body: JSON.stringify(body) })
    assert.equal(response.status, 200, await response.clone().text())
    return response.json()
  }

  for (const way of ['served at a URL', 'in the process of the gateway'] as const) {
    describe(way, () => {
      const isServed = way === 'served at a URL'
      const named = (user: string) => (isServed ? `${user}-url` : user)
      let upstash: Program
      let shop: Program | undefined
      let gateway: Gateway
      let callers: Callers
      let phones: Phones

      before(async () => {
        const { UPSTASH_REDIS_REST_TOKEN: token } = UPSTASH
        const env = { REDIS_URL: redis.url, UPSTASH_LOCAL_LISTEN: `${host(3)}:8079`, UPSTASH_LOCAL_TOKEN: token }
        upstash = await start('upstash-local', ['infra/upstash-local/main.ts'], env, /is ready/)
        shop = isServed ? await serve(SHOP) : undefined
        gateway = await Gateway.start({
          functions: shop ? urlOf(shop) : SHOP,
          env: { REDIS_URL: redis.url, GATEWAY_ID: 'gw-1', ...(shop ? UNSIGNED : UPSTASH) },
        })
        callers = new Callers(gateway.router)
        phones = new Phones(gateway.router)
        await callers.open()
        await phones.open()
      })
      after(async () => {
        await gateway?.stop()
        await shop?.stop()
        await upstash?.stop()
        callers?.close()
        phones?.close()
      })

      const registers = (user: string) =>
        untilAll(
          `${user} to be registered`,
          [user],
          (name) => phones.registered.has(name),
          (name) => phones.register(name),
        )

      /** Calls, until the function has been asked and the call waits for an event. */
      const calls = async (user: string) => {
        callers.invite(user)
        await eventually('the call to wait', async () => {
          const response = await fetch(gateway.url(`/calls/${user}`))
          const { waiting = [] } = (await response.json()) as { waiting?: unknown[] }
          return waiting.length > 0 || undefined
        })
      }

      const isConnected = async (user: string) => {
        await eventually(`${user} to be connected`, () => callers.statusesOf(user).includes(200) || undefined)
        assert.equal(phones.rang.get(user)?.size, 1, `${user} rings once`)
      }

      const hangsUp = async (user: string) => {
        await callers.hangUp([user])
        await gateway.isIdle()
      }

      const invocations = async () => {
        const text = await (await fetch(gateway.url('/metrics'))).text()
        return [...text.matchAll(/^rouse_invocations_total\S* (\d+)/gm)].reduce((sum, [, n]) => sum + Number(n), 0)
      }

      test('a webhook at another process resumes the call that waits for it, and says so', async () => {
        const order = named('order-17')
        await registers(order)
        await calls(order)
        assert.deepEqual(await post('/payments', { id: `evt-of-${order}`, order: 'another' }), {
          id: `evt-of-${order}`,
          matched: 0,
        })
        assert.deepEqual(callers.statusesOf(order), [])
        assert.deepEqual(await post('/payments', { id: `evt-2-of-${order}`, order }), {
          id: `evt-2-of-${order}`,
          matched: 1,
        })
        await isConnected(order)
        await hangsUp(order)
      })

      test('the same event twice, as webhooks come, is one event for the call', async () => {
        const call = named('hall-1')
        const before = await invocations()
        await calls(call)
        phones.answers = 'ringing'
        const pickup = { id: `evt-${call}`, call, contact: `sip:hall@${phones.address}:5060` }
        for (let time = 0; time < 3; time++) {
          assert.deepEqual(await post('/pickups', pickup), { id: pickup.id, matched: 1 })
        }
        await eventually(`${call} to ring`, () => callers.statusesOf(call).includes(180) || undefined)
        phones.answers = 'answered'
        phones.pickUp(call)
        await isConnected(call)
        assert.equal((await invocations()) - before, 2, 'the INVITE, and the event')
        await hangsUp(call)
      })

      test('call.lookup of somebody else is done by the function itself, within its one invocation', async () => {
        const user = named('boss')
        await registers(user)
        const before = await invocations()
        callers.invite(`for-${user}`)
        await isConnected(`for-${user}`)
        assert.equal((await invocations()) - before, 1)
        await hangsUp(`for-${user}`)
      })

      test('call.lookup asks the gateway while the REST API is away', async () => {
        const user = named('chief')
        await registers(user)
        await upstash.stop()
        const before = await invocations()
        callers.invite(`for-${user}`)
        await isConnected(`for-${user}`)
        assert.equal((await invocations()) - before, 2)
        await hangsUp(`for-${user}`)
      })
    })
  }
})
