import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Action } from '../../../functions/contract/actions.ts'
import type { Contact } from '../../../functions/contract/envelope.ts'
import { type Call, SipRouter, type SipRouterOptions } from '../../../functions/sdk/index.ts'
import type { RouseStore } from '../../../functions/sdk/store.ts'
import { BOB_PHONE, BOB_TABLET, event } from '../invocations.ts'
import { byDispatch, byFetch, Session } from '../session.ts'

const CAROL = 'sip:carol@example.com'
const ASK: Action = { action: 'lookup', name: 'lookup-2', aor: CAROL }

/** A store whose answers a test gives. */
class Answers implements RouseStore {
  readonly asked: string[] = []
  readonly #answer: (aor: string) => Promise<Contact[]>
  constructor(answer: (aor: string) => Promise<Contact[]>) {
    this.#answer = answer
  }
  lookup(aor: string) {
    this.asked.push(aor)
    return this.#answer(aor)
  }
  publish(): never {
    throw new Error('a look-up raises no event')
  }
}

const isAway = () => Promise.reject(new Error('the store is away'))

function forkedTo({ uri, q }: Contact): Action {
  return { action: 'fork', targets: [{ uri, q }] }
}

for (const [how, way] of [
  ['in process', byDispatch],
  ['over HTTP', byFetch],
] as const) {
  const routerWith = (options: SipRouterOptions, handler: (call: Call) => unknown) =>
    new SipRouter({ onError: assert.fail, ...options }).invite('/:domain/:user', handler)

  describe(`call.lookup of a router that has a store, ${how}`, () => {
    test('asks the store and goes on: the gateway is not asked', async () => {
      const store = new Answers(async () => [BOB_TABLET])
      const sip = routerWith({ store }, async (call) => call.fork(await call.lookup(CAROL)))
      assert.deepEqual(await new Session(way(sip)).start(), [forkedTo(BOB_TABLET)])
      assert.deepEqual(store.asked, [CAROL])
    })

    test('a replay sees the first answer, and asks nobody', async () => {
      const contacts = [[BOB_TABLET], [BOB_PHONE]]
      const store = new Answers(async () => contacts.shift()!)
      const sip = routerWith({ store }, async (call) => {
        const found = await call.lookup(CAROL)
        await call.wait('pickup', {}, '5s')
        call.fork(found)
      })
      const s = new Session(way(sip))
      assert.deepEqual(
        (await s.start()).map(({ action }) => action),
        ['wait'],
      )
      assert.deepEqual(await s.resume('wait-2', event('pickup', {})), [forkedTo(BOB_TABLET)])
      assert.equal(store.asked.length, 1)
    })

    test('nobody is registered: that is an answer, too', async () => {
      const store = new Answers(async () => [])
      const sip = routerWith({ store }, async (call) => {
        if ((await call.lookup(CAROL)).length === 0) call.reply(480)
      })
      assert.deepEqual(await new Session(way(sip)).start(), [{ action: 'reply', status: 480 }])
    })

    test('a store that does not answer: the developer is told, the gateway is asked, a replay asks neither', async () => {
      const errors: unknown[] = []
      const store = new Answers(isAway)
      const sip = routerWith({ store, onError: (error) => void errors.push(error) }, async (call) => {
        const found = await call.lookup(CAROL)
        await call.wait('pickup', {}, '5s')
        call.fork(found)
      })
      const s = new Session(way(sip))
      assert.deepEqual(await s.start(), [ASK])
      assert.deepEqual(
        (await s.resume('lookup-2', { contacts: [BOB_TABLET] })).map(({ action }) => action),
        ['wait'],
      )
      assert.deepEqual(await s.resume('wait-3', event('pickup', {})), [forkedTo(BOB_TABLET)])
      assert.deepEqual(errors.map(String), ['Error: the store is away'])
    })

    test('several at once: all are asked before the first has answered', async () => {
      const waiting: (() => void)[] = []
      const store = new Answers(async (aor) => {
        await new Promise<void>((resolve) => {
          waiting.push(resolve)
          if (waiting.length === 2) for (const go of waiting.reverse()) go()
        })
        return [{ ...BOB_PHONE, uri: `${aor}:5060` }]
      })
      const sip = routerWith({ store }, async (call) => {
        const both = await Promise.all([call.lookup('sip:a@example.com'), call.lookup('sip:b@example.com')])
        await call.wait('pickup', {}, '5s')
        call.fork(both.flat().map(({ uri }) => uri))
      })
      const s = new Session(way(sip))
      await s.start()
      assert.deepEqual(await s.resume('wait-3', event('pickup', {})), [
        { action: 'fork', targets: ['sip:a@example.com:5060', 'sip:b@example.com:5060'] },
      ])
    })

    for (const [what, before, after] of [
      ['comes', undefined, new Answers(isAway)],
      ['goes', new Answers(async () => [BOB_TABLET]), undefined],
    ] as const) {
      test(`a store that ${what} while a call waits: the call goes on as it began`, async () => {
        const handler = async (call: Call) => {
          const found = await call.lookup(CAROL)
          await call.wait('pickup', {}, '5s')
          call.fork(found)
        }
        const first = new Session(way(routerWith(before ? { store: before } : {}, handler)))
        let [action] = await first.start()
        if (action?.action === 'lookup') [action] = await first.resume(action.name, { contacts: [BOB_TABLET] })
        assert.ok(action?.action === 'wait')
        const then = new Session(way(routerWith(after ? { store: after } : {}, handler)))
        then.context = first.context
        assert.deepEqual(await then.resume(action.name, event('pickup', {})), [forkedTo(BOB_TABLET)])
      })
    }
  })
}

describe('the store of a router as a function of the environment', () => {
  type Env = { env: { isThere?: boolean } }
  const store = new Answers(async () => [BOB_TABLET])
  const answers = async (sip: SipRouter<Env>, env: Env['env']) => {
    const session = new Session((path, invoked) => sip.dispatch(path, invoked, { env }))
    return session.start()
  }

  test('is asked for until there is one, which is kept', async () => {
    const given: unknown[] = []
    const sip = new SipRouter<Env>({
      store: (env) => {
        given.push(env)
        return env.isThere ? store : undefined
      },
    })
    sip.invite('/:domain/:user', async (call) => call.fork(await call.lookup(CAROL)))
    assert.deepEqual(await answers(sip, {}), [{ ...ASK, name: 'lookup-1' }])
    assert.deepEqual(await answers(sip, { isThere: true }), [forkedTo(BOB_TABLET)])
    assert.deepEqual(await answers(sip, {}), [forkedTo(BOB_TABLET)])
    assert.deepEqual(given, [{}, { isThere: true }])
  })

  test('that throws: the developer is told, the gateway is asked', async () => {
    const errors: unknown[] = []
    const broken = () => {
      throw new TypeError('UPSTASH_REDIS_REST_TOKEN: expected something')
    }
    const sip = new SipRouter<Env>({ store: broken, onError: (error) => void errors.push(error) })
    sip.invite('/:domain/:user', async (call) => call.fork(await call.lookup(CAROL)))
    assert.deepEqual(await answers(sip, {}), [{ ...ASK, name: 'lookup-1' }])
    assert.deepEqual(errors.map(String), ['TypeError: UPSTASH_REDIS_REST_TOKEN: expected something'])
  })
})
