import assert from 'node:assert/strict'
import { test } from 'node:test'
import dtmfScreening from '../../../functions/examples/dtmf-screening.ts'
import pushWakeUp from '../../../functions/examples/push-wake-up.ts'
import { SipRouter } from '../../../functions/sdk/index.ts'
import { readArguments } from '../../../gateway/cli/arguments.ts'
import { phone } from '../../../gateway/cli/commands/phone.ts'
import { Performance } from '../../../gateway/cli/phone/performance.ts'
import { readPlan } from '../../../gateway/cli/phone/plan.ts'
import { messageLabel } from '../../../gateway/observe/ladder.ts'
import { registeredLongAgo } from '../../scenario/cast.ts'
import { settled } from '../../support/fake-clock.ts'
import { type World, world } from '../../support/world.ts'

/** Simulated phones of the command line, in a world of virtual time. */

interface Played {
  performance: Performance
  told: string[]
  labels: string[]
  status: Promise<number>
  stop(): void
}

let hosts = 100

async function play(w: World, line: string, port = 5060): Promise<Played> {
  const plan = readPlan(readArguments(phone, [...line.split(' '), '--domain', 'example.com']))
  const told: string[] = []
  const labels: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const address = `10.0.0.${++hosts}`
  const performance = new Performance({
    plan,
    clock: w.clock,
    tell: (sentence) => told.push(sentence),
    phone: {
      address,
      transport: plan.transport,
      server: { address: '10.0.0.1', port },
      credentials: plan.password === undefined ? undefined : { user: plan.user, password: plan.password },
      instance: `urn:uuid:${address}`,
      push: plan.sleeps ? { provider: 'rouse-phone', prid: '1-token' } : undefined,
      network: w.network,
      ids: w.ids,
      onMessage: (direction, message) => labels.push(`${direction} ${messageLabel(message).replace(/@10\S+/, '')}`),
    },
  })
  const status = performance.play(promise)
  await w.advance(10)
  return { performance, told, labels, status, stop: resolve }
}

test('a phone that sleeps is woken by its push, rings, answers, and sleeps again; Ctrl-C takes its registration out', async () => {
  const w = await world({ app: pushWakeUp })
  const bob = await play(w, 'bob --asleep --wake after 1s --answer after 2s')
  assert.equal((await w.gateway.registration('sip:bob@example.com')).length, 1)
  await registeredLongAgo(w)
  const alice = await play(w, 'alice --call bob --hangup after 1s')
  assert.equal(w.pushes.length, 1)
  bob.performance.wakeUp()
  await w.advance(10_000)
  assert.equal(await alice.status, 0)
  assert.deepEqual(
    bob.told.filter((sentence) => !sentence.includes('registered')),
    [
      'it sleeps; Ctrl-C ends it',
      'a push wakes it',
      'it rings: sip:alice@example.com calls',
      'it answers',
      'the other end has hung up',
      'it sleeps again',
    ],
  )
  bob.stop()
  await w.advance(1000)
  assert.equal(await bob.status, 0)
  assert.deepEqual(await w.gateway.registration('sip:bob@example.com'), [])
  await w.assertQuiet()
  await w.stop()
})

test('a call that is declined ends with 1 for the caller, and with 0 for the phone that was to decline', async () => {
  const w = await world({})
  const bob = await play(w, 'bob --register --decline 486 --once')
  const alice = await play(w, 'alice --call bob')
  await w.advance(1000)
  assert.equal(await alice.status, 1)
  assert.ok(alice.told.includes('the call was not answered: 486 Busy Here'))
  assert.equal(await bob.status, 0)
  await w.assertQuiet()
  await w.stop()
})

test('a caller gives up: CANCEL, and 1 for both', async () => {
  const w = await world({})
  const bob = await play(w, 'bob --register --once')
  const alice = await play(w, 'alice --call bob --cancel after 3s')
  await w.advance(5000)
  assert.equal(await alice.status, 1)
  assert.equal(await bob.status, 1)
  assert.ok(alice.labels.includes('received 487 Request Terminated (INVITE)'))
  await w.assertQuiet()
  await w.stop()
})

test('Ctrl-C in a call hangs up; while it rings at the other end it cancels', async () => {
  const w = await world({})
  const bob = await play(w, 'bob --register --answer after 1s')
  const alice = await play(w, 'alice --call bob')
  await w.advance(2000)
  alice.stop()
  await w.advance(1000)
  assert.equal(await alice.status, 0)
  assert.ok(bob.told.includes('the other end has hung up'))
  const carol = await play(w, 'carol --call bob')
  carol.stop()
  await w.advance(500)
  assert.equal(await carol.status, 1)
  bob.stop()
  await w.advance(500)
  assert.equal(await bob.status, 0)
  await w.assertQuiet()
  await w.stop()
})

test('digits are pressed once the call is answered: the wrong one ends it', async () => {
  const w = await world({ app: dtmfScreening })
  const bob = await play(w, 'bob --register --answer after 1s --dtmf 1 --once')
  const alice = await play(w, 'alice --call bob')
  await w.advance(3000)
  assert.ok(bob.labels.some((label) => label.startsWith('sent INFO')))
  assert.deepEqual([await bob.status, await alice.status], [0, 0])
  await w.assertQuiet()
  await w.stop()
})

test('the 200 to an INVITE is repeated until its ACK comes (RFC 3261 13.3.1.4)', async () => {
  const w = await world({})
  const bob = await play(w, 'bob --register --answer after 1s')
  const alice = await w.phone('alice', { network: w.network })
  await alice.invites('bob')
  // The ACK of the first is lost with its sender.
  await alice.vanish()
  await w.advance(1000 + 1500)
  assert.equal(bob.labels.filter((label) => label === 'sent 200 OK (INVITE)').length, 3)
  bob.stop()
  await w.advance(60_000)
  await w.stop()
})

test('a router that asks for a password gets it; with the wrong one the phone ends with 3', async () => {
  const app = new SipRouter()
  app.register('/:domain/:user', async (call) => {
    if (await call.authenticate({ realm: 'example.com', user: () => 'secret' })) call.save()
  })
  const w = await world({ app })
  const bob = await play(w, 'bob --register --password secret')
  await settled()
  assert.match(bob.told[0] ?? '', /is registered at/)
  const eve = await play(w, 'eve --register --password guess')
  await w.advance(1000)
  assert.equal(await eve.status, 3)
  assert.match(eve.told[0] ?? '', /not registered: 40[13]/)
  bob.stop()
  await w.advance(1000)
  assert.equal(await bob.status, 0)
  await w.stop()
})

test('where nothing answers, the phone says so after three seconds and not only at the end of the transaction', async () => {
  const w = await world({ app: pushWakeUp })
  await w.network.udp({ address: '10.0.0.1', port: 5099 }, { receive: () => {} })
  const alice = await play(w, 'alice --call bob', 5099)
  const bob = await play(w, 'bob --register', 5099)
  await w.advance(3000)
  const hint = 'nothing answers at 10.0.0.1:5099 so far; is a router there? npx rouse dev starts one'
  assert.deepEqual([alice.told.at(-1), bob.told], [hint, [hint]])
  await w.advance(30_000)
  assert.deepEqual([await alice.status, await bob.status], [1, 3])
  await w.stop()
})

test('a router that lets the phone ring for long is there', async () => {
  const w = await world({ app: pushWakeUp })
  const bob = await play(w, 'bob --register')
  const alice = await play(w, 'alice --call bob --cancel after 8s')
  await w.advance(10_000)
  assert.equal(await alice.status, 1)
  assert.doesNotMatch([...alice.told, ...bob.told].join('\n'), /nothing answers/)
  bob.stop()
  await w.advance(1000)
  await w.stop()
})
