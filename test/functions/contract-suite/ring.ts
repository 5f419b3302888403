import { BOB_PHONE, event, outcome } from '../invocations.ts'
import { invites, type Room } from './case.ts'

const ringDesk = invites(async (call) => {
  const desk = await call.ring(call.contacts, { for: '15s', mode: 'parallel' })
  call.annotate({ answered: desk.answered, status: desk.status })
})

export const ring: Room = {
  title: 'ring',
  cases: [
    {
      title: 'forks, and waits for what comes of it',
      app: ringDesk,
      async check({ s }, assert) {
        assert.deepEqual(await s.start(), [
          { action: 'fork', targets: [{ uri: BOB_PHONE.uri, q: 1 }], mode: 'parallel', id: 'ring-1' },
          { action: 'wait', name: 'ring-1', any: [{ fork: 'ring-1' }], timeout: '15s' },
        ])
        assert.deepEqual(await s.resume('ring-1', outcome('ring-1', false, 486)), [
          { action: 'annotate', values: { answered: 'false', status: '486' } },
        ])
      },
    },
    {
      title: 'answered',
      app: ringDesk,
      async check({ s }, assert) {
        await s.start()
        assert.deepEqual(await s.resume('ring-1', outcome('ring-1', true, 200)), [
          { action: 'annotate', values: { answered: 'true', status: '200' } },
        ])
      },
    },
    {
      title: 'time is over: what still rings is cancelled, and the status is 408',
      app: ringDesk,
      async check({ s }, assert) {
        await s.start()
        assert.deepEqual(await s.resume('ring-1', { timedOut: true }), [
          { action: 'cancel', fork: 'ring-1', reason: 'No answer' },
          { action: 'annotate', values: { answered: 'false', status: '408' } },
        ])
      },
    },
    {
      title: 'a fork of the handler’s own name is waited for, and cancelled, under that name',
      app: invites(async (call) => {
        await call.ring(call.contacts, { for: '15s', id: 'desk' })
        await call.wait('pickup', {}, '5s')
      }),
      async check({ s }, assert) {
        const [, wait] = await s.start()
        assert.deepEqual(wait, { action: 'wait', name: 'ring-1', any: [{ fork: 'desk' }], timeout: '15s' })
        const actions = await s.resume('ring-1', { timedOut: true })
        assert.deepEqual(actions[0], { action: 'cancel', fork: 'desk', reason: 'No answer' })
        assert.deepEqual(await s.resume('wait-2', { timedOut: true }), [])
      },
    },
    {
      title: 'not awaited it is a fork',
      app: invites((call) => {
        void call.ring(call.contacts, { for: '15s' })
      }),
      async check({ s }, assert) {
        const actions = (await s.start()).map(({ action }) => action)
        assert.deepEqual(actions, ['fork'])
      },
    },
    {
      title: 'an answered call may wait on',
      app: invites(async (call) => {
        const desk = await call.ring(call.contacts, { for: '15s' })
        const pressed = await call.wait('dtmf', { callId: call.id }, '60s')
        call.annotate({ answered: desk.answered, digit: pressed?.digit ?? '' })
      }),
      async check({ s }, assert) {
        await s.start()
        await s.resume('ring-1', outcome('ring-1', true, 200))
        assert.deepEqual(await s.resume('wait-2', event('dtmf', { digit: '5' })), [
          { action: 'annotate', values: { answered: 'true', digit: '5' } },
        ])
      },
    },
  ],
}
