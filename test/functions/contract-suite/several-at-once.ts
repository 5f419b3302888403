import { event } from '../invocations.ts'
import { invites, type Room } from './case.ts'

const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setTimeout(resolve, 0))
}

export const severalAtOnce: Room = {
  title: 'several promises at once',
  cases: [
    {
      title: 'Promise.race: the first to come wins, also on every later replay',
      app: invites(async (call) => {
        const slow = call.wait('pickup', { aor: call.aor }, '60s').then(async (picked) => {
          await null
          return `${picked?.type}`
        })
        const quick = call.wait('contact.registered', { aor: call.aor }, '60s').then((phone) => `${phone?.type}`)
        call.annotate({ won: await Promise.race([slow, quick]) })
        await call.wait('dtmf', { callId: call.id }, '60s')
        call.annotate({ done: true })
      }),
      async check({ s }, assert) {
        await s.start()
        const first = await s.resume('wait-1', event('pickup', {}))
        assert.deepEqual(first[0], { action: 'annotate', values: { won: 'pickup' } })
        assert.deepEqual(await s.resume('wait-2', event('contact.registered', {})), [])
        const last = await s.resume('wait-3', event('dtmf', {}))
        assert.deepEqual(last, [{ action: 'annotate', values: { done: 'true' } }])
      },
    },
    {
      title: 'Promise.all: waits for every one of them, in whatever order they come',
      app: invites(async (call) => {
        const [a, b] = await Promise.all([call.wait('a', {}, '60s'), call.wait('b', {}, '60s')])
        call.annotate({ both: `${a?.type} ${b?.type}` })
      }),
      async check({ s }, assert) {
        assert.equal((await s.start()).length, 2)
        assert.deepEqual(await s.resume('wait-2', event('b', {})), [])
        assert.deepEqual(await s.resume('wait-1', event('a', {})), [{ action: 'annotate', values: { both: 'a b' } }])
      },
    },
    {
      title: 'work beside a wait is done before it suspends: a run under way is waited for',
      app: invites(async (call) => {
        const side = async () => {
          await call.run('slow', () => turns(2))
          call.push(call.aor)
        }
        await Promise.all([side(), call.wait('contact.registered', { aor: call.aor }, '25s')])
        call.annotate({ done: true })
      }),
      async check({ s }, assert) {
        const first = (await s.start()).map(({ action }) => action)
        assert.deepEqual(first, ['wait', 'push'])
        const actions = await s.resume('wait-2', event('contact.registered', {}))
        assert.deepEqual(actions, [{ action: 'annotate', values: { done: 'true' } }])
      },
    },
    {
      title: 'other asynchronous work between two awaits is waited for',
      app: invites(async (call) => {
        await turns(5)
        await call.wait('a', {}, '60s')
        await turns(5)
        call.push(call.aor)
        await call.wait('b', {}, '60s')
        call.reply(480)
      }),
      async check({ s }, assert) {
        const names = (actions: { action: string }[]) => actions.map(({ action }) => action)
        assert.deepEqual(names(await s.start()), ['wait'])
        assert.deepEqual(names(await s.resume('wait-1', event('a', {}))), ['push', 'wait'])
        assert.deepEqual(names(await s.resume('wait-2', event('b', {}))), ['reply'])
      },
    },
  ],
}
