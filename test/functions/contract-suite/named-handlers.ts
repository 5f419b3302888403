import { AOR, BOB_PHONE, event, invocation } from '../invocations.ts'
import { invites, type Room } from './case.ts'

export const namedHandlers: Room = {
  title: 'named handlers',
  cases: [
    {
      title: 'subscription.matched: the event’s attributes are fields of it, digits are text',
      app: (sip) =>
        void sip.on('screen', (call, event) => {
          if (event.digit !== '2')
            call.hangup(`${event.type} ${event.digit} ${event.duration + 1} ${event.attributes.source}`)
        }),
      async check({ s }, assert) {
        assert.deepEqual(await s.fire('screen', 'dtmf', { digit: '2' }), [])
        assert.deepEqual(await s.fire('screen', 'dtmf', { digit: '3', duration: '160', source: 'info' }), [
          { action: 'hangup', reason: 'dtmf 3 161 info' },
        ])
      },
    },
    {
      title: 'branch.failed: the handler gets the branch',
      app: (sip) =>
        void sip.on('failed', (call, branch) => call.annotate({ failed: branch.uri, was: call.branch?.status ?? 0 })),
      async check({ s }, assert) {
        const branch = { id: 'b1', uri: BOB_PHONE.uri, state: 'failed' as const, status: 486 }
        const { body } = await s.result({ type: 'branch.failed', data: { branch } }, '/on/failed')
        assert.deepEqual(body, { actions: [{ action: 'annotate', values: { failed: BOB_PHONE.uri, was: '486' } }] })
      },
    },
    {
      title: 'transaction.cancelled without onCancel is nothing: 204',
      app: invites((call) => call.reply(500)),
      async check({ invoke }, assert) {
        const cancelled = invocation({ type: 'transaction.cancelled' })
        assert.deepEqual(await invoke('/invite/example.com/bob', cancelled), { status: 204 })
      },
    },
    {
      title: 'transaction.cancelled goes to onCancel, whatever the path',
      app: invites(
        (call) => call.reply(500),
        (sip) => {
          sip.onCancel((call) => call.publish('missed', { aor: call.aor }))
          sip.onCancel(async (call) => call.annotate({ cancelled: true }))
        },
      ),
      async check({ invoke }, assert) {
        const cancelled = invocation({ type: 'transaction.cancelled' })
        assert.deepEqual(await invoke('/invite/example.com/bob', cancelled), {
          status: 200,
          body: {
            actions: [
              { action: 'publish', type: 'missed', attributes: { aor: AOR } },
              { action: 'annotate', values: { cancelled: 'true' } },
            ],
          },
        })
      },
    },
    {
      title: 'nothing can be waited for in onCancel, and the message says why',
      app: (sip) => void sip.onCancel(async (call) => void (await call.wait('pickup', {}, '1s'))),
      async check({ invoke, told }, assert) {
        assert.equal((await invoke('/invite/a/b', invocation({ type: 'transaction.cancelled' }))).status, 500)
        const { errors } = await told()
        assert.match(errors[0]!, /call.wait is not possible in onCancel: the transaction has ended/)
      },
    },
    {
      title: 'they may wait too: each invocation by an event has its own journal, beside the route’s',
      app: invites(
        async (call) => {
          call.subscribe('dtmf', { callId: call.id }, 'screen')
          await call.wait('pickup', {}, '60s')
          call.annotate({ route: 'resumed' })
        },
        (sip) =>
          sip.on('screen', async (call, event) => {
            const second = await call.wait('dtmf', { callId: call.id }, '5s')
            call.annotate({ digits: `${event.digit}${second?.digit ?? '-'}` })
          }),
      ),
      async check({ s }, assert) {
        const digits = (digits: string) => [{ action: 'annotate', values: { digits } }]
        await s.start()
        const [first] = await s.fire('screen', 'dtmf', { digit: '1' })
        const [second] = await s.fire('screen', 'dtmf', { digit: '7' })
        const names = [first, second].map((action) => action?.action === 'wait' && [action.name, action.resume])
        assert.deepEqual(names, [
          ['screen.1:wait-1', 'screen'],
          ['screen.2:wait-1', 'screen'],
        ])
        assert.deepEqual(await s.resume('screen.2:wait-1', event('dtmf', { digit: '8' })), digits('78'))
        assert.deepEqual(await s.resume('wait-1', event('pickup', {})), [
          { action: 'annotate', values: { route: 'resumed' } },
        ])
        assert.deepEqual(await s.resume('screen.1:wait-1', { timedOut: true }), digits('1-'))
        assert.deepEqual(s.context, { sdk: 1 })
      },
    },
  ],
}
