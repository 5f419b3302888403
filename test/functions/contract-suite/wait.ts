import { AOR, event, invocation, outcome } from '../invocations.ts'
import { invites, type Room } from './case.ts'

const WAIT = {
  action: 'wait',
  name: 'wait-1',
  any: [{ event: 'contact.registered', filter: { aor: AOR } }],
  timeout: '25s',
}

const pushAndWait = invites(async (call) => {
  const registered = call.wait('contact.registered', { aor: call.aor }, '25s')
  call.push(call.aor)
  const phone = await registered
  if (!phone) return call.reply(480)
  call.fork(phone.contact)
})

export const wait: Room = {
  title: 'wait',
  cases: [
    {
      title: 'is armed at the call, in order, and suspends at the await',
      app: pushAndWait,
      async check({ s }, assert) {
        assert.deepEqual(await s.start(), [WAIT, { action: 'push', aor: AOR }])
      },
    },
    {
      title: 'the event resumes it; what was performed is not sent again',
      app: pushAndWait,
      async check({ s }, assert) {
        await s.start()
        const registered = event('contact.registered', { aor: AOR, contact: 'sip:bob@192.0.2.9' })
        assert.deepEqual(await s.resume('wait-1', registered), [{ action: 'fork', targets: ['sip:bob@192.0.2.9'] }])
      },
    },
    {
      title: 'the deadline resumes it with null',
      app: pushAndWait,
      async check({ s }, assert) {
        await s.start()
        assert.deepEqual(await s.resume('wait-1', { timedOut: true }), [{ action: 'reply', status: 480 }])
      },
    },
    {
      title:
        'an invocation that is tried again under its id gets the same answer, the first time and when it is resumed',
      app: pushAndWait,
      async check({ s, invoke }, assert) {
        const path = '/invite/example.com/bob'
        const tried = async (attempt: number, first: Parameters<typeof invocation>[0]) =>
          invoke(path, invocation({ ...first, data: { ...first?.data, attempt } }))
        const start = { id: 'inv-7' }
        assert.deepEqual(await tried(2, start), await tried(1, start))
        await s.start()
        const wait = { name: 'wait-1', timedOut: false, ...event('contact.registered', { contact: 'sip:b@192.0.2.9' }) }
        const resumed = { id: 'inv-8', type: 'wait.resumed' as const, data: { context: s.context, wait } }
        const answers = [await tried(1, resumed), await tried(2, resumed), await tried(3, resumed)]
        assert.equal(answers[0]!.status, 200)
        assert.deepEqual(answers[1], answers[0])
        assert.deepEqual(answers[2], answers[0])
      },
    },
    {
      title: 'any of several conditions',
      app: invites(async (call) => {
        const first = await call.wait(
          [{ event: 'contact.registered', filter: { aor: call.aor } }, { event: 'pickup' }, { fork: 'desk' }],
          5000,
        )
        call.annotate({ first: first?.type ?? 'none', status: String(first?.status ?? '') })
      }),
      async check({ s }, assert) {
        const [wait] = await s.start()
        assert.deepEqual(wait, {
          action: 'wait',
          name: 'wait-1',
          any: [{ event: 'contact.registered', filter: { aor: AOR } }, { event: 'pickup' }, { fork: 'desk' }],
          timeout: 5000,
        })
        const before = s.context
        assert.deepEqual(await s.resume('wait-1', event('pickup', {})), [
          { action: 'annotate', values: { first: 'pickup', status: '' } },
        ])
        s.context = before
        assert.deepEqual(await s.resume('wait-1', outcome('desk', false, 486)), [
          { action: 'annotate', values: { first: 'fork', status: '486' } },
        ])
      },
    },
    {
      title: 'armed and never awaited: it does not go out',
      app: invites((call) => {
        void call.wait('pickup', {}, '5s')
        call.fork(call.contacts)
      }),
      async check({ s }, assert) {
        const actions = (await s.start()).map(({ action }) => action)
        assert.deepEqual(actions, ['fork'])
        assert.equal(s.context, undefined)
      },
    },
    {
      title: 'armed by an earlier answer and not wanted any more: it is unsubscribed',
      app: invites(async (call) => {
        const picked = call.wait('pickup', {}, '60s')
        const phone = await call.wait('contact.registered', { aor: call.aor }, '25s')
        if (phone) return call.fork(phone.contact)
        await picked
      }),
      async check({ s }, assert) {
        const waits = await s.start()
        const names = waits.map((action) => action.action === 'wait' && action.name)
        assert.deepEqual(names, ['wait-1', 'wait-2'])
        const actions = await s.resume('wait-2', event('contact.registered', { contact: 'sip:bob@192.0.2.9' }))
        assert.deepEqual(actions, [
          { action: 'fork', targets: ['sip:bob@192.0.2.9'] },
          { action: 'unsubscribe', name: 'wait-1' },
        ])
      },
    },
    {
      title: 'several waits one after the other',
      app: invites(async (call) => {
        const digits: string[] = []
        while (digits.length < 3) {
          const pressed = await call.wait('dtmf', { callId: call.id }, '5s')
          if (!pressed) break
          digits.push(pressed.digit)
        }
        call.annotate({ digits: digits.join('') })
      }),
      async check({ s }, assert) {
        await s.start()
        assert.equal((await s.resume('wait-1', event('dtmf', { digit: 4 }))).length, 1)
        assert.equal((await s.resume('wait-2', event('dtmf', { digit: 5 }))).length, 1)
        const actions = await s.resume('wait-3', event('dtmf', { digit: 6 }))
        assert.deepEqual(actions, [{ action: 'annotate', values: { digits: '456' } }])
        assert.deepEqual(s.context, { sdk: 1 })
      },
    },
    {
      title: 'neither catch nor finally sees anything while it waits',
      app: (sip, note) =>
        void sip.invite('/:domain/:user', async (call) => {
          try {
            await call.wait('pickup', {}, '5s')
            note('resumed')
          } catch {
            note('catch')
          } finally {
            note('finally')
          }
        }),
      async check({ s, told }, assert) {
        await s.start()
        assert.deepEqual((await told()).notes, [])
        await s.resume('wait-1', event('pickup', {}))
        assert.deepEqual((await told()).notes, ['resumed', 'finally'])
      },
    },
    {
      title: 'a wake-up that is delivered twice does nothing twice',
      app: invites(async (call) => {
        await call.wait('pickup', {}, '5s')
        call.publish('picked')
        await call.wait('pickup', {}, '5s')
      }),
      async check({ s }, assert) {
        await s.start()
        assert.equal((await s.resume('wait-1', event('pickup', {}))).length, 2)
        assert.deepEqual(await s.resume('wait-1', event('pickup', {})), [])
      },
    },
    {
      title:
        'one that is delivered twice does nothing twice either where the handler goes by what it has written meanwhile',
      app: invites(async (call) => {
        await call.wait('pickup', {}, '5s')
        if (call.context.picked === undefined) call.publish('picked')
        call.context.picked = 1
        await call.wait('pickup', {}, '5s')
      }),
      async check({ s }, assert) {
        await s.start()
        assert.equal((await s.resume('wait-1', event('pickup', {}))).length, 2)
        const { context } = s
        assert.deepEqual(await s.resume('wait-1', event('pickup', {})), [])
        assert.deepEqual(s.context, context)
      },
    },
    {
      title: 'a wake-up for a handler that has ended is nothing to do, and leaves the context alone',
      app: pushAndWait,
      async check({ s }, assert) {
        await s.start()
        await s.resume('wait-1', { timedOut: true })
        assert.deepEqual(await s.resume('wait-1', event('contact.registered', {})), [])
        assert.deepEqual(s.context, { sdk: 1 })
      },
    },
    {
      title: 'a wake-up whose context was lost is refused: 409',
      app: pushAndWait,
      async check({ s }, assert) {
        await s.start()
        s.context = undefined
        const { status, body } = await s.resumeResult('wait-1', { timedOut: true })
        assert.equal(status, 409)
        assert.match((body as { detail: string }).detail, /no journal for wait-1/)
      },
    },
    {
      title: 'a context that nobody of this SDK has written is refused or left alone, and breaks nothing',
      app: pushAndWait,
      async check({ invoke }, assert) {
        const wait = { name: 'wait-1', timedOut: true }
        for (const [context, status] of [
          [7, 409],
          ['x', 409],
          [{ mine: true }, 409],
          [{ sdk: 1 }, 200],
          [{ sdk: 1, journals: 7 }, 200],
          [{ sdk: 1, journals: { '': {} } }, 200],
          [{ sdk: 1, journals: { '': { steps: [], results: 'none', seen: {}, start: {} } } }, 200],
        ] as const) {
          const resumed = invocation({ type: 'wait.timed_out', data: { context, wait } })
          assert.equal((await invoke('/invite/example.com/bob', resumed)).status, status, JSON.stringify(context))
        }
      },
    },
    {
      title: 'the promise may be returned instead of awaited',
      app: invites((call) => call.wait('pickup', {}, '5s').then(() => call.reply(480))),
      async check({ s }, assert) {
        assert.equal((await s.start()).length, 1)
        assert.deepEqual(await s.resume('wait-1', event('pickup', {})), [{ action: 'reply', status: 480 }])
      },
    },
  ],
}
