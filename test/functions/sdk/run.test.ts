import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Call, SipRouter } from '../../../functions/sdk/index.ts'
import { event, invocation } from '../invocations.ts'
import { byDispatch, Session } from '../session.ts'

type Handler = (call: Call) => unknown

function router(handler: Handler, now?: () => number): SipRouter {
  const sip = new SipRouter({ onError: () => {}, ...(now ? { now } : {}) })
  return sip.invite('/:domain/:user', handler as never)
}

const PATH = '/invite/example.com/bob'
const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('call.run: once, with its first result', () => {
  /** A handler that charges and then waits, and how often it has charged. */
  function charging(charge: (n: number) => unknown) {
    const keys: string[] = []
    const sip = router(async (call) => {
      const paid = await call.run('charge', (key) => charge(keys.push(key)))
      call.annotate({ paid: JSON.stringify(paid) })
      await call.wait('a', {}, '5s')
    })
    return { sip, keys }
  }

  test('an invocation that is tried again gets the result of its first try', async () => {
    const { sip, keys } = charging((n) => ({ n }))
    const first = await sip.dispatch(PATH, invocation())
    const retry = await sip.dispatch(PATH, invocation({ data: { attempt: 2 } }))
    assert.deepEqual(retry, first)
    assert.equal(keys.length, 1)
  })

  test('a try that comes while the first one is still at it waits for the same result', async () => {
    const gate = Promise.withResolvers<void>()
    const { sip, keys } = charging(async (n) => {
      await gate.promise
      return n
    })
    const both = [sip.dispatch(PATH, invocation()), sip.dispatch(PATH, invocation({ data: { attempt: 2 } }))]
    await turn()
    gate.resolve()
    const [first, second] = await Promise.all(both)
    assert.deepEqual(second, first)
    assert.equal(keys.length, 1)
  })

  test('what has failed is done again by the retry: of an answer that was lost nothing counts', async () => {
    const { sip, keys } = charging((n) => {
      if (n === 1) throw new Error('once')
      return n
    })
    assert.equal((await sip.dispatch(PATH, invocation())).status, 500)
    assert.equal((await sip.dispatch(PATH, invocation({ data: { attempt: 2 } }))).status, 200)
    assert.equal(keys.length, 2)
  })

  test('another call, another invocation of the call, and a minute later are no retry', async () => {
    let now = 0
    let runs = 0
    const sip = router(
      (call) => call.run('count', () => void runs++),
      () => now,
    )
    await sip.dispatch(PATH, invocation())
    await sip.dispatch(PATH, invocation({ transaction: { id: 'tx-2' } }))
    await sip.dispatch(PATH, invocation({ id: 'inv-2' }))
    assert.equal(runs, 3)
    now = 61_000
    await sip.dispatch(PATH, invocation({ id: 'inv-3' }))
    await sip.dispatch(PATH, invocation())
    assert.equal(runs, 5)
  })

  test('in another process the task has the same key: whom it asks can tell', async () => {
    const one = charging((n) => n)
    const other = charging((n) => n)
    await one.sip.dispatch(PATH, invocation())
    await other.sip.dispatch(PATH, invocation({ data: { attempt: 2 } }))
    assert.deepEqual(one.keys, ['tx-1:run-1'])
    assert.deepEqual(other.keys, one.keys)
  })

  test('names may be repeated: each has its own result', async () => {
    let n = 0
    const s = new Session(
      byDispatch(
        router(async (call) => {
          const list: number[] = []
          for (let i = 0; i < 3; i++) list.push(await call.run('next', () => ++n))
          await call.wait('a', {}, '5s')
          list.push(await call.run('next', () => ++n))
          call.annotate({ list: list.join(' ') })
        }),
      ),
    )
    await s.start()
    assert.deepEqual(await s.resume('wait-4', event('a', {})), [{ action: 'annotate', values: { list: '1 2 3 4' } }])
  })

  test('two at once: on replay the one that was first is first again', async () => {
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const s = new Session(
      byDispatch(
        router(async (call) => {
          const order: string[] = []
          const running = ['slow', 'quick'].map(async (name, at) => {
            await call.run(name, () => gates[at]!.promise)
            order.push(name)
          })
          const first = await Promise.race(running.map((run, at) => run.then(() => at)))
          await Promise.all(running)
          await call.wait('a', {}, '5s')
          call.annotate({ first, order: order.join(' ') })
        }),
      ),
    )
    const started = s.start()
    await turn()
    gates[1]!.resolve()
    await turn()
    gates[0]!.resolve()
    await started
    assert.deepEqual(await s.resume('wait-3', event('a', {})), [
      { action: 'annotate', values: { first: '1', order: 'quick slow' } },
    ])
  })

  test('an error comes back with its name, message and code', async () => {
    const seen: unknown[] = []
    const s = new Session(
      byDispatch(
        router(async (call) => {
          const fail = () => Promise.reject(Object.assign(new RangeError('refused'), { code: 'ECONNREFUSED' }))
          const error = (await call.run('ask', fail).catch((reason) => reason)) as Error & { code: string }
          seen.push([error instanceof Error, error.name, error.message, error.code])
          await call.wait('a', {}, '5s')
        }),
      ),
    )
    await s.start()
    await s.resume('wait-2', event('a', {}))
    assert.deepEqual(seen, [
      [true, 'RangeError', 'refused', 'ECONNREFUSED'],
      [true, 'RangeError', 'refused', 'ECONNREFUSED'],
    ])
  })

  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  const LOST: [string, unknown, RegExp][] = [
    ['a Map', { byName: new Map([['a', 1]]) }, /\/byName is a Map$/],
    ['a Response', new Response('x'), /it is a Response$/],
    ['a function', { list: [() => 1] }, /\/list\/0 is a function$/],
    ['a bigint', 1n, /it is a bigint$/],
    ['NaN', { cents: Number.NaN }, /\/cents is NaN$/],
    ['undefined in a list', [1, undefined], /\/1 is undefined$/],
    ['a typed array', new Uint8Array(2), /it is a Uint8Array$/],
    ['a cycle', cycle, /goes on without an end$/],
  ]
  for (const [what, value, expected] of LOST) {
    test(`a result that JSON does not keep is refused: ${what}`, async () => {
      let message = ''
      const sip = router((call) =>
        call
          .run('price', () => value)
          .catch((error: Error) => {
            message = `${error.name}: ${error.message}`
          }),
      )
      await sip.dispatch(PATH, invocation())
      assert.match(message, /^TypeError: call\.run\("price"\): expected a result that is JSON data, but /)
      assert.match(message, expected)
    })
  }

  test('a Date is kept as its text, a row of some class as its fields', async () => {
    class Row {
      id = 7
      at = new Date(0)
      gone = undefined
    }
    let kept: unknown
    const sip = router(async (call) => {
      kept = await call.run('row', () => [new Row()])
    })
    await sip.dispatch(PATH, invocation())
    assert.deepEqual(kept, [{ id: 7, at: '1970-01-01T00:00:00.000Z' }])
  })
})
