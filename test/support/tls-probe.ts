import { createRedisStore } from '../../functions/store/redis/tcp.ts'
import { createRandomIds, systemClock } from '../../gateway/system.ts'

/**
 * A process of its own, since whom it trusts is decided by its environment (`NODE_EXTRA_CA_CERTS`): suspends a transaction in the Redis at the
 * URL of its first argument and hears the event that it waits for. Says `heard <digit>`, or what went wrong.
 */
const store = createRedisStore({ url: process.argv[2]!, clock: systemClock, ids: createRandomIds() })
const now = Date.now()
const heard = new Promise<string>((resolve) => {
  void store.inbox('gw', ([delivery]) => resolve(`heard ${delivery?.event.attributes.digit}`))
})
try {
  const at = await firstAnswer()
  const owner = { id: 't', gateway: 'gw', rev: 1, callId: 'c', expiresAt: now + 10_000, state: '' }
  const add = {
    id: 's',
    transaction: 't',
    gateway: 'gw',
    event: 'dtmf',
    filter: { callId: 'c' },
    expiresAt: now + 10_000,
  }
  await store.suspend({ transaction: owner, add: [add], drop: [], since: at })
  await store.publish([{ id: 'e', type: 'dtmf', time: now, attributes: { callId: 'c', digit: '5' } }])
  console.log(await heard)
} catch (error) {
  console.log(String(error))
}
await store.close()

/** The connection takes a moment; until then operations are rejected. */
async function firstAnswer(): Promise<string> {
  for (let tries = 0; ; tries++) {
    try {
      return (await store.lookup('sip:bob@example.com')).at
    } catch (error) {
      if (tries === 20) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
