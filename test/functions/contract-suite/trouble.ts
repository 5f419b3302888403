import { invocation } from '../invocations.ts'
import { invites, type Room } from './case.ts'

export const trouble: Room = {
  title: 'trouble',
  cases: [
    {
      title: 'a handler that throws, at once or later: 500 handler.threw, told once, its words kept from the gateway',
      app: (sip) => {
        sip.invite('/:domain/now', () => {
          throw new Error('password is hunter2')
        })
        sip.invite('/:domain/later', async () => {
          await null
          throw new Error('password is hunter2')
        })
      },
      async check({ invoke, told }, assert) {
        for (const user of ['now', 'later']) {
          const { status, body } = await invoke(`/invite/example.com/${user}`, invocation())
          assert.equal(status, 500)
          assert.equal((body as { title: string }).title, 'handler.threw')
          assert.match((body as { detail: string }).detail, new RegExp(`INVITE /:domain/${user}`))
          assert.doesNotMatch(JSON.stringify(body), /hunter2|contract-suite/)
        }
        assert.deepEqual((await told()).errors, ['password is hunter2', 'password is hunter2'])
      },
    },
    {
      title: 'a target that is none: the handler throws, saying what it got',
      app: (sip) => void sip.on('late', (call, event) => call.fork(event.contact)),
      async check({ invoke, told }, assert) {
        const type = 'subscription.matched'
        assert.equal((await invoke('/on/late', invocation({ type }))).status, 500)
        const event = { id: 'e', type: 'pickup', time: '2026-01-05T10:00:05.000Z', attributes: {} }
        assert.equal((await invoke('/on/late', invocation({ type, data: { event } }))).status, 500)
        const { errors } = await told()
        assert.match(errors[1]!, /expected a SIP URI or a contact as target, got undefined/)
      },
    },
    {
      title: 'context that no JSON can hold is the handler’s fault',
      app: invites((call) => {
        call.context.self = call.context
        return call.user === 'async' ? Promise.resolve() : undefined
      }),
      async check({ session }, assert) {
        for (const user of ['sync', 'async']) {
          const request = { uri: `sip:${user}@example.com` }
          assert.equal((await session().result({ request }, `/invite/example.com/${user}`)).status, 500)
        }
      },
    },
    {
      title: 'what comes after the answer is lost, and the developer is told',
      outlivesAnswer: true,
      app: invites((call) => {
        void new Promise((resolve) => setTimeout(resolve, 0)).then(() => call.push())
      }),
      async check({ s, told }, assert) {
        assert.deepEqual(await s.start(), [])
        let { errors } = await told()
        for (let time = 0; errors.length === 0 && time < 1000; time++) {
          await new Promise((resolve) => setTimeout(resolve, 0))
          errors = (await told()).errors
        }
        assert.match(errors[0] ?? '', /push: recorded after the answer had been given/)
      },
    },
  ],
}
