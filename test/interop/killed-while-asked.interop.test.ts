import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { absent } from '../peers.ts'
import { startRedis } from '../support/redis-server.ts'
import type { Gateway } from './gateway.ts'
import { pooledGateway } from './sharing-gateway.ts'
import { Started } from './started.ts'
import { Callers, names, Phones } from './udp-peers.ts'

const CALLS = 60
const CALL_EVERY_MS = 20
/** Three times as long as a caller waits for 100. */
const THINKS_MS = 600
const T1_MS = 500

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('a gateway that is killed while functions think', { skip: absent('redis-server') }, () => {
  const started = new Started()
  let first: Gateway
  let second: Gateway
  let callers: Callers
  let phones: Phones

  before(async () => {
    const redis = await started.keep(startRedis({ port: 27_331 }))
    ;[callers, phones] = [new Callers(''), new Phones('')]
    const env = {
      FUNCTIONS: 'test/interop/apps/thinks.ts',
      THINKS_MS: String(THINKS_MS),
      FORKS_TO: `${phones.address}:5060`,
    }
    second = await started.keep(pooledGateway(2, redis.url, env))
    first = await pooledGateway(1, redis.url, env)
    started.add(() => first.program.stop())
    callers.router = first.router
    for (const peer of [callers, phones]) {
      await peer.open()
      started.add(() => peer.close())
    }
  })
  after(() => started.stop())

  /** As a phone does it over UDP: the INVITE is repeated until somebody says 100. */
  async function call(user: string): Promise<void> {
    while (!callers.trying.has(user)) {
      callers.invite(user)
      await pause(T1_MS)
    }
    await callers.hears(user, 200)
  }

  test('every call rings one phone, once, and is answered', { timeout: 60_000 }, async () => {
    const users = names('asked', CALLS)
    const calls: Promise<void>[] = []
    let killed: Promise<unknown> | undefined
    let heard = 0
    for (const [index, user] of users.entries()) {
      if (index === CALLS / 2) {
        const before = users.slice(0, index)
        heard = before.filter((each) => callers.trying.has(each)).length
        assert.ok(heard > 0 && heard < before.length, `${heard} of ${before.length} have heard 100`)
        callers.router = second.router
        first.program.signal('SIGKILL')
        killed = first.program.exited
      }
      calls.push(call(user))
      await pause(CALL_EVERY_MS)
    }
    await Promise.all([killed, ...calls])
    assert.deepEqual(
      users.filter((user) => phones.rang.get(user)?.size !== 1),
      [],
    )
    await callers.hangUp(users)
    assert.ok((await second.metric('rouse_adopted_calls_total')) > 0)
  })
})
