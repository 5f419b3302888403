import { BOB_TABLET, event } from '../invocations.ts'
import { invites, type Room } from './case.ts'

export const lookupAndRun: Room = {
  title: 'lookup and run',
  cases: [
    {
      title: 'lookup: suspends, and comes back with the contacts',
      app: invites(async (call) => {
        const contacts = await call.lookup('sip:carol@example.com')
        call.fork(contacts)
      }),
      async check({ s }, assert) {
        assert.deepEqual(await s.start(), [{ action: 'lookup', name: 'lookup-1', aor: 'sip:carol@example.com' }])
        assert.deepEqual(await s.resume('lookup-1', { contacts: [BOB_TABLET] }), [
          { action: 'fork', targets: [{ uri: BOB_TABLET.uri, q: 0.5 }] },
        ])
      },
    },
    {
      title: 'authorize: suspends, and comes back with the word of the billing system',
      app: invites(async (call) => {
        const auth = await call.authorize({ account: '1001', requestType: 'postpaid' })
        if (!auth.authorized) return call.reply(auth.code, auth.reason)
        call.fork(call.contacts, { ringFor: (auth.maxDuration ?? 0) * 1000 })
      }),
      async check({ s }, assert) {
        assert.deepEqual(await s.start(), [
          { action: 'authorize', name: 'authorize-1', account: '1001', requestType: 'postpaid' },
        ])
        const authorization = { authorized: false, code: 402, reason: 'Insufficient Credit' }
        assert.deepEqual(await s.resume('authorize-1', { authorization }), [
          { action: 'reply', status: 402, reason: 'Insufficient Credit' },
        ])
      },
    },
    {
      title: 'run: done once, with its first result on replay',
      app: (sip, note) =>
        void sip.invite('/:domain/:user', async (call) => {
          const price = await call.run('price', () => {
            note('asked')
            return { cents: 1, at: new Date(0) }
          })
          await call.wait('pickup', {}, '5s')
          call.annotate({ cents: price.cents, at: String(price.at) })
        }),
      async check({ s, told }, assert) {
        await s.start()
        assert.deepEqual(await s.resume('wait-2', event('pickup', {})), [
          { action: 'annotate', values: { cents: '1', at: '1970-01-01T00:00:00.000Z' } },
        ])
        assert.deepEqual((await told()).notes, ['asked'])
      },
    },
    {
      title: 'run: a failure is kept too, and undefined stays undefined',
      app: (sip, note) =>
        void sip.invite('/:domain/:user', async (call) => {
          const nothing = await call.run('nothing', () => note('nothing'))
          let caught = ''
          try {
            await call.run('fails', async () => {
              note('fails')
              throw new RangeError('out of stock')
            })
          } catch (error) {
            caught = `${(error as Error).name}: ${(error as Error).message}`
          }
          await call.wait('pickup', {}, '5s')
          call.annotate({ caught, nothing: typeof nothing })
        }),
      async check({ s, told }, assert) {
        await s.start()
        assert.deepEqual(await s.resume('wait-3', event('pickup', {})), [
          { action: 'annotate', values: { caught: 'RangeError: out of stock', nothing: 'undefined' } },
        ])
        assert.deepEqual((await told()).notes, ['nothing', 'fails'])
      },
    },
    {
      title: 'a handler that waits for nothing else leaves no journal behind',
      app: invites(async (call) => {
        call.annotate({ x: await call.run('x', () => 1) })
      }),
      async check({ s }, assert) {
        assert.deepEqual(await s.start(), [{ action: 'annotate', values: { x: '1' } }])
        assert.equal(s.context, undefined)
      },
    },
    {
      title: 'authenticate: whoever sends no credentials is challenged',
      app: (sip) =>
        void sip.register('/:domain/:user', async (call) => {
          const username = await call.authenticate({ realm: call.domain, user: () => 'a password' })
          if (username !== undefined) call.save()
        }),
      async check({ s }, assert) {
        assert.deepEqual(await s.start({ request: { method: 'REGISTER' } }, '/register/example.com/bob'), [
          { action: 'challenge', realm: 'example.com', proxy: false },
        ])
      },
    },
  ],
}
