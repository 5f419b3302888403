import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type RedisSubject, redisSubject } from '../../conformance/redis-subject.ts'
import { binding, positionNow, put, subscribe, subscription } from '../../conformance/subject.ts'
import { invoking, type Send } from '../contract-suite/reach.ts'
import { invocation } from '../invocations.ts'

/** What an app does that has the REST API of the gateways' Redis in its environment: `app.ts`. */
export function storeSuite(send: Send, redis: () => { url: string; prefix: string }): void {
  describe('the gateways’ Redis over REST', () => {
    let gateway: RedisSubject

    before(() => {
      const { url, prefix } = redis()
      gateway = redisSubject(url, { prefix })
    })
    after(() => gateway?.close())

    test('call.lookup is done within the invocation', async () => {
      const phone = binding(gateway, 'phone')
      assert.ok((await gateway.store.register(put(gateway, phone))).ok)
      const request = { uri: 'sip:for-bob@example.com', aor: 'sip:for-bob@example.com' }
      const { body } = await invoking(send)('/invite/example.com/for-bob', invocation({ request }))
      const { actions } = body as { actions: { action: string; targets: { uri: string }[] }[] }
      assert.deepEqual(
        actions.map(({ action, targets }) => [action, targets.map(({ uri }) => uri)]),
        [['fork', [phone.contact]]],
      )
    })

    test('a webhook raises an event, once for each id', async () => {
      const waits = subscription(gateway, 'order-17', 'payment.confirmed', { order: '17' })
      await subscribe(gateway, await positionNow(gateway), waits)
      const post = async (order: string) => {
        const response = await send('/payments', {
          method: 'POST',
          body: JSON.stringify({ id: `evt-${order}`, order }),
        })
        return response.json()
      }
      assert.deepEqual(await post('17'), { matched: 1 })
      assert.deepEqual(await post('18'), { matched: 0 })
    })
  })
}
