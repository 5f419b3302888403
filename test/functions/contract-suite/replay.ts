import type { Contact } from '../../../functions/contract/envelope.ts'
import { BOB_PHONE, BOB_TABLET, event } from '../invocations.ts'
import { invites, type Room } from './case.ts'

export const replay: Room = {
  title: 'replay sees the world as it was',
  cases: [
    {
      title: 'contacts, branches and state are those of then; after the await those of now',
      app: invites(async (call) => {
        call.fork(call.contacts)
        call.annotate({ branches: call.branches.length, state: call.state })
        await call.wait('a', {}, '60s')
        call.fork(call.contacts)
        await call.wait('b', {}, '60s')
        call.annotate({ branches: call.branches.length })
      }),
      async check({ s }, assert) {
        const later: Contact[] = [{ ...BOB_TABLET, uri: 'sip:bob@192.0.2.99' }]
        const branches = [{ id: 'b1', uri: BOB_PHONE.uri, state: 'ringing' as const, status: 180 }]
        const now = { data: { contacts: later }, transaction: { branches } }
        await s.start()
        const [second] = await s.resume('wait-1', event('a', {}), now)
        assert.deepEqual(second, { action: 'fork', targets: [{ uri: 'sip:bob@192.0.2.99', q: 0.5 }] })
        const third = await s.resume('wait-2', event('b', {}), { ...now, data: { contacts: [] } })
        assert.deepEqual(third, [{ action: 'annotate', values: { branches: '1' } }])
      },
    },
    {
      title: 'call.time stays that of the first invocation',
      app: invites(async (call) => {
        await call.wait('a', {}, '60s')
        call.annotate({ at: call.time.toISOString() })
      }),
      async check({ s }, assert) {
        await s.start()
        assert.deepEqual(await s.resume('wait-1', event('a', {})), [
          { action: 'annotate', values: { at: '2026-01-05T10:00:00.000Z' } },
        ])
      },
    },
    {
      title: 'what a handler adds to the context it adds once, and what another one wrote meanwhile stays',
      app: invites(
        async (call) => {
          const { context } = call
          context.n = ((context.n as number) ?? 0) + 1
          await call.wait('a', {}, '60s')
          context.n = (context.n as number) + 10
          await call.wait('b', {}, '60s')
          call.annotate({ n: context.n as number })
        },
        (sip) =>
          sip.on('other', (call) => {
            call.context.n = (call.context.n as number) + 100
          }),
      ),
      async check({ s }, assert) {
        await s.start()
        await s.fire('other', 'x', {})
        await s.resume('wait-1', event('a', {}))
        await s.fire('other', 'x', {})
        const actions = await s.resume('wait-2', event('b', {}))
        assert.deepEqual(actions, [{ action: 'annotate', values: { n: '211' } }])
        assert.deepEqual(s.context, { sdk: 1, data: { n: 211 } })
      },
    },
  ],
}
