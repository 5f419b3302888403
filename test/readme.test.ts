import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SipRouter } from '../functions/sdk/index.ts'
import { KNOWN_SETTINGS } from '../gateway/config.ts'
import { redisSubject } from './conformance/redis-subject.ts'
import { binding, positionNow, put, subscribe, subscription } from './conformance/subject.ts'
import { ingress, mappingsOf } from './functions/ingress/harness.ts'
import { event } from './functions/invocations.ts'
import { byDispatch, Session } from './functions/session.ts'
import { absent } from './peers.ts'
import { registeredLongAgo } from './scenario/cast.ts'
import { readmeExample, withEnvironment } from './support/readme-example.ts'
import { startRedisRest } from './support/redis-rest.ts'
import { world } from './support/world.ts'

const REDIS_PORT = 27_213
const ROOT = fileURLToPath(new URL('..', import.meta.url))
const README = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const SCRIPTS = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).scripts as object

test('the route of the README wakes a sleeping phone and forks to it', async () => {
  const app = (await readmeExample('README.md', 'routing')).default as SipRouter
  const w = await world({ app })
  const alice = await w.phone('alice')
  const phone = await w.phone('phone', {
    user: 'bob',
    instance: 'urn:uuid:phone',
    contactParams: 'pn-provider=fcm;pn-prid=x;pn-param=y',
  })
  await phone.registers()
  await phone.vanish()
  await registeredLongAgo(w)
  await alice.invites('bob')
  assert.equal(w.pushes.length, 1)
  await phone.moveTo(5070)
  await phone.registers()
  await phone.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('the webhook of the README wakes the call, which finds the desk by itself', {
  skip: absent('redis-server'),
}, async (t) => {
  const redis = await startRedisRest(REDIS_PORT)
  t.after(() => redis.stop())
  const sip = (await withEnvironment(redis.env, () => readmeExample('README.md', 'webhook'))).default as SipRouter
  const gateway = redisSubject(redis.redisUrl, { prefix: 'rouse' })
  t.after(() => gateway.close())
  const aor = 'sip:desk@shop.example.com'
  const desk = binding(gateway, 'desk', { aor, contact: 'sip:desk@192.0.2.9' })
  await gateway.store.register(put(gateway, desk))

  const session = new Session(byDispatch(sip))
  const request = { uri: 'sip:17@shop.example.com' }
  const path = '/invite/shop.example.com/17'
  const [wait] = await session.start({ request }, path)
  assert.ok(wait?.action === 'wait' && 'event' in wait.any[0]!)
  const { event: type, filter } = wait.any[0]
  await subscribe(gateway, await positionNow(gateway), subscription(gateway, 's1', type, filter!))

  const webhook = { method: 'POST', body: JSON.stringify({ id: 'evt_1', order: '17' }) }
  const answer = await sip.fetch(new Request('https://shop.example.com/payments', webhook))
  assert.deepEqual(await answer.json(), { id: 'evt_1', matched: 1 })
  const resumed = { name: wait.name, timedOut: false, ...event(type, { order: '17' }) }
  const { body = {} } = await session.result({ type: 'wait.resumed', request, data: { wait: resumed } }, path)
  assert.deepEqual(body.actions, [{ action: 'fork', targets: [{ uri: desk.contact, q: 1 }] }])
})

test('the mapping of the README: the payment service’s own webhook wakes the call that waits', async () => {
  const [, rules = ''] = /```json\n(\{\n {2}"stripe".*?)```/s.exec(README) ?? []
  const secret = 'whsec_of_the_payment_service'
  const sip = new SipRouter()
  sip.invite('/:domain/:user', async (call) => {
    const paid = await call.wait('payment.confirmed', { order: call.user }, '60s')
    if (!paid) return call.reply(480)
    call.fork(call.contacts)
  })
  const w = await world({ app: sip })
  const alice = await w.phone('alice')
  const desk = await w.phone('desk', { user: 'order-17' })
  await desk.registers()
  const mappings = mappingsOf(JSON.parse(rules), (name) => (name === 'STRIPE_SECRET' ? secret : undefined))
  const { post } = ingress({ mappings, clock: w.clock, publish: (event) => w.gateway.publish(event) })
  const send = async (type: string, order: string) => {
    const body = JSON.stringify({ id: `evt_${type}`, type, data: { object: { client_reference_id: order } } })
    const time = Math.floor(w.clock.now() / 1000)
    const signature = createHmac('sha256', secret).update(`${time}.${body}`).digest('hex')
    return (await post(body, { 'stripe-signature': `t=${time},v1=${signature}` }, '/events/stripe')).status
  }
  await alice.invites('order-17')
  assert.equal(await send('checkout.session.expired', 'order-17'), 204)
  await w.advance(1000)
  assert.equal(alice.finalStatus, 0)
  assert.equal(await send('checkout.session.completed', 'order-17'), 202)
  await w.advance(100)
  await desk.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('every setting in the README exists, and every one that matters to a user is there', () => {
  const named = [...README.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, name]) => name!)
  assert.deepEqual(
    named.filter((name) => !(KNOWN_SETTINGS as readonly string[]).includes(name)),
    [],
  )
  assert.deepEqual(
    KNOWN_SETTINGS.filter((name) => !named.includes(name)),
    [],
  )
})

test('every metric in the README is counted somewhere', () => {
  const sources = globSync('gateway/**/*.ts', { cwd: ROOT }).map((file) => readFileSync(`${ROOT}/${file}`, 'utf8'))
  const counted = sources.flatMap((text) =>
    [...text.matchAll(/(?:count|gauge|observe|series)\(\s*['`]([a-z_. -]+)/g)].map(([, name]) =>
      name!.replaceAll(/[^a-z]/g, '_'),
    ),
  )
  const named = [...README.matchAll(/`rouse_([a-z_]+?)(?:_total)?(?:\{[a-z,]+\})?`/g)].map(([, name]) => name!)
  assert.ok(named.length > 10)
  assert.deepEqual(
    named.filter((name) => !counted.includes(name)),
    [],
  )
})

test('every npm script in the README exists', () => {
  for (const [, script] of README.matchAll(/npm (?:run )?(start|test|demo|bench)\b/g))
    assert.ok(script! in SCRIPTS, script)
})
