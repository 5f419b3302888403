import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { absent } from '../peers.ts'
import { startRedis } from '../support/redis-server.ts'
import { Gateway } from './gateway.ts'
import { host } from './network.ts'
import { eventually } from './program.ts'
import { Started } from './started.ts'
import { Callers, names, Phones } from './udp-peers.ts'

const SHARED = host(9)
const CALLS = 60
const CALL_EVERY_MS = 20
/** Three times as long as a caller waits for 100. */
const THINKS_MS = 600
const T1_MS = 500
/** What was written down is adopted within seven seconds. */
const PATIENCE_MS = 20_000

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
    const gateway = (number: number) => {
      const id = { GATEWAY_ID: `gw-${number}`, SIP_ADVERTISE: `${SHARED}:5060`, LOG_LEVEL: 'warn' }
      const env = { REDIS_URL: redis.url, THINKS_MS: String(THINKS_MS), FORKS_TO: `${phones.address}:5060`, ...id }
      return Gateway.start({ functions: 'test/interop/apps/thinks.ts', address: host(number), env })
    }
    second = await started.keep(gateway(2))
    first = await gateway(1)
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
    await eventually(`${user} to be answered`, () => callers.statusesOf(user).includes(200) || undefined, PATIENCE_MS)
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
