import { event } from '../invocations.ts'
import type { Session } from '../session.ts'
import { type Assert, type ContractCase, invites, type Room } from './case.ts'

/** @returns the detail of the refusal */
async function diverged(s: Session, assert: Assert): Promise<string> {
  await s.start()
  const { status, body } = await s.resumeResult('wait-1', event('a', {}))
  assert.equal(status, 409)
  assert.equal((body as { title: string }).title, 'replay.diverged')
  return (body as { detail: string }).detail
}

type Handler = (call: Parameters<Parameters<typeof invites>[0]>[0], run: number) => unknown

/** Its handler is told how often it has run: what no handler may depend on. */
function flickering(handler: Handler): ContractCase['app'] {
  return (sip) => {
    let runs = 0
    invites((call) => handler(call, runs++) as Promise<void>)(sip, () => {})
  }
}

export const divergence: Room = {
  title: 'divergence is refused, never guessed at',
  cases: [
    {
      title: 'another action: the detail shows both',
      app: flickering(async (call, run) => {
        const waited = call.wait('a', {}, '60s')
        call.push(`sip:${run}@example.com`)
        await waited
      }),
      async check({ s }, assert) {
        const step = (user: string) => `push {"aor":"sip:${user}@example.com"\\}`
        assert.match(await diverged(s, assert), new RegExp(`step 2 was ${step('0')} and is now ${step('1')}`))
      },
    },
    {
      title: 'an action fewer',
      app: flickering(async (call, run) => {
        const waited = call.wait('a', {}, '60s')
        if (run === 0) call.push()
        await waited
      }),
      async check({ s }, assert) {
        assert.match(await diverged(s, assert), /step 2 was push .* and is not there any more/)
      },
    },
    {
      title: 'an end instead of a wait',
      app: flickering(async (call, run) => {
        if (run > 0) return
        await call.wait('a', {}, '60s')
      }),
      async check({ s }, assert) {
        assert.match(await diverged(s, assert), /step 1 was wait .* and is not there any more/)
      },
    },
    {
      title: 'an exception on the way counts as divergence when an action has differed before',
      app: flickering(async (call, run) => {
        call.push(`sip:${run}@example.com`)
        if (run > 0) throw new Error('lost')
        await call.wait('a', {}, '60s')
      }),
      async check({ s }, assert) {
        await diverged(s, assert)
      },
    },
    {
      title: 'secrets in bodies and headers do not get into the detail',
      app: flickering(async (call, run) => {
        const waited = call.wait('a', {}, '60s')
        const headers = { set: { 'X-Key': 'hunter2' } }
        call.send('MESSAGE', 'sip:carol@example.com', { body: `pin ${run}`, headers })
        await waited
      }),
      async check({ s }, assert) {
        const detail = await diverged(s, assert)
        assert.match(detail, /step 2 was/)
        assert.doesNotMatch(detail, /pin|hunter2/)
      },
    },
    {
      title: 'another run: it is not done',
      app: (sip, note) =>
        flickering(async (call, run) => {
          const waited = call.wait('a', {}, '60s')
          const name = `task-${run}`
          await call.run(name, () => note(name))
          await waited
        })(sip, note),
      async check({ s, told }, assert) {
        assert.match(await diverged(s, assert), /step 2 was run task-0 and is now run task-1/)
        assert.deepEqual((await told()).notes, ['task-0'])
      },
    },
  ],
}
