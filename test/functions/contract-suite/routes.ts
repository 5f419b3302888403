import { AOR, invocation } from '../invocations.ts'
import type { Room } from './case.ts'

const METHODS = ['invite', 'register', 'message', 'options', 'subscribe', 'notify', 'publish', 'refer', 'info'] as const
const USERS = ['#7', '+1555', '*97', 'a/b', '50%', 'jö', 'a b', '[::1]:5060', 'what?now', '%2A97']

export const routes: Room = {
  title: 'routes',
  cases: [
    {
      title: 'the first route that matches takes the request; a method has its own',
      app: (sip) => {
        sip.invite('/support.example.com/:user', (call) => call.reply(480))
        sip.invite('/:domain/:user{fax-[0-9]+}', (call) => call.reply(488))
        sip.invite('/:domain/:user', (call) => call.reply(486))
        sip.message('/:domain/:user', (call) => call.reply(202))
        sip.method('foo', '/:domain/:user', (call) => call.reply(299))
        sip.all('/:domain/:user', (call) => call.reply(405))
      },
      async check({ session }, assert) {
        const status = async (path: string) => {
          const [action] = await session().start({}, path)
          return action?.action === 'reply' && action.status
        }
        assert.equal(await status('/invite/support.example.com/bob'), 480)
        assert.equal(await status('/invite/example.com/fax-7'), 488)
        assert.equal(await status('/invite/example.com/fax-x'), 486)
        assert.equal(await status('/message/example.com/bob'), 202)
        assert.equal(await status('/foo/example.com/bob'), 299)
        assert.equal(await status('/refer/example.com/bob'), 405)
        assert.equal(await status('/bar/example.com/bob'), 405)
      },
    },
    {
      title: 'every method has its verb',
      app: (sip) => {
        for (const method of METHODS) sip[method]('/:domain/:user', (call) => call.annotate({ method }))
      },
      async check({ session }, assert) {
        for (const method of METHODS) {
          const actions = await session().start({}, `/${method}/example.com/bob`)
          assert.deepEqual(actions, [{ action: 'annotate', values: { method } }])
        }
      },
    },
    {
      title: 'a user with signs that a URL escapes is found by its own name, and told unescaped',
      app: (sip) => {
        sip.invite('/example.com/#7', (call) => call.annotate({ found: '#7 itself' }))
        sip.invite('/:domain/:user{\\+1.+}', (call) => call.annotate({ found: `plus ${call.param('user')}` }))
        sip.invite('/:domain/:user{\\*97}', (call) => call.annotate({ found: `star ${call.param('user')}` }))
        sip.invite('/:domain/:user', (call) => call.annotate({ found: call.param('user') }))
      },
      async check({ session }, assert) {
        const found: unknown[] = []
        for (const user of USERS) {
          const uri = `sip:${user.replaceAll('%', '%25')}@example.com`
          const path = `/invite/example.com/${encodeURIComponent(user)}`
          const [action] = await session().start({ request: { uri } }, path)
          found.push(action?.action === 'annotate' && action.values.found)
        }
        const itself = ['a/b', '50%', 'jö', 'a b', '[::1]:5060', 'what?now', '%2A97']
        assert.deepEqual(found, ['#7 itself', 'plus +1555', 'star *97', ...itself])
      },
    },
    {
      title: 'no route: 204, not mine; no such handler: 404 handler.unknown',
      app: (sip) => void sip.invite('/example.com/:user', () => {}),
      async check({ invoke }, assert) {
        assert.deepEqual(await invoke('/invite/example.net/bob', invocation()), { status: 204 })
        assert.deepEqual(await invoke('/message/example.com/bob', invocation()), { status: 204 })
        const { status, body } = await invoke('/on/nobody', invocation({ type: 'subscription.matched' }))
        assert.deepEqual([status, (body as { title: string }).title], [404, 'handler.unknown'])
      },
    },
    {
      title: 'a handler’s name may hold dots and colons, and may come escaped',
      app: (sip) =>
        void sip.on('team.a:late', async (call) => {
          await call.lookup(AOR)
          call.reply(480)
        }),
      async check({ s }, assert) {
        const [lookup] = await s.fire('team.a%3Alate', 'x', {})
        assert.deepEqual(lookup, { action: 'lookup', name: 'team.a:late.0:lookup-1', aor: AOR })
        const actions = await s.resume('team.a:late.0:lookup-1', { contacts: [] })
        assert.deepEqual(actions, [{ action: 'reply', status: 480 }])
      },
    },
  ],
}
