import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { validateAnswer, validateManifest } from '../../../functions/contract/validate.ts'
import { type Call, SipRouter } from '../../../functions/sdk/index.ts'
import { BOB_PHONE, invocation } from '../invocations.ts'

describe('a budget', () => {
  test('stands in the manifest with its route, and of named handlers under their names', () => {
    const sip = new SipRouter()
      .invite('/crm.example.com/:user', { budget: '4s' }, (call) => call.fork(call.contacts))
      .all('/:domain/:user', (call) => call.reply(404))
      .method('FOO', '*', { budget: 800 }, (call) => call.reply(200))
      .on('screen', { budget: '6s' }, (call) => call.hangup())
      .on('late-fork', (call, event) => call.fork(event.contact))
    const manifest = sip.manifest()
    assert.deepEqual(manifest, {
      contract: 1,
      routes: [
        { method: 'INVITE', path: '/crm.example.com/:user', budget: '4s' },
        { method: '*', path: '/:domain/:user' },
        { method: 'FOO', path: '*', budget: 800 },
      ],
      handlers: ['screen', 'late-fork'],
      handlerBudgets: { screen: '6s' },
    })
    assert.deepEqual(validateManifest(manifest), { ok: true, value: manifest })
  })

  test('out of bounds is refused where it is declared, with the route and the remedy', () => {
    const sip = new SipRouter()
    for (const budget of ['1m', '50ms', 'soon', 0]) {
      const message = new RegExp(
        `^INVITE /a: budget: expected milliseconds or a string such as "4s", from 100ms to 30s, got ${budget}$`,
      )
      assert.throws(() => sip.invite('/a', { budget }, () => {}), { name: 'TypeError', message })
    }
    assert.throws(() => sip.on('a', { budget: 31_000 }, () => {}), /^TypeError: on a: budget: /)
    assert.throws(() => sip.invite('/a', { budget: '4s' }, undefined as never), /expected a handler function/)
  })
})

describe('cacheFor', () => {
  async function answerOf(handler: (call: Call) => unknown) {
    const sip = new SipRouter({ onError: () => {} }).invite('/:domain/:user', handler as () => void)
    const { body } = await sip.dispatch('/invite/example.com/bob', invocation({ data: { contacts: [BOB_PHONE] } }))
    return body as Record<string, unknown>
  }

  test('stands in the answer beside the actions; the last word counts', async () => {
    const answer = await answerOf((call) => {
      call.cacheFor('1m')
      call.cacheFor('30s', { staleIfError: '10m', scope: 'public' })
      call.reply(404)
    })
    const { actions, ...rest } = answer
    assert.deepEqual(rest, { cacheFor: '30s', staleIfError: '10m', cacheScope: 'public' })
    assert.deepEqual(actions, [{ action: 'reply', status: 404 }])
    assert.ok(validateAnswer(answer).ok)
  })

  test('after call.run, which is over when the answer is given, too', async () => {
    const { cacheFor } = await answerOf(async (call) => {
      const isOpen = await call.run('hours', async () => true)
      call.cacheFor('30s')
      call.reply(isOpen ? 200 : 480)
    })
    assert.equal(cacheFor, '30s')
  })

  test('is left out of an answer that waits or keeps something for the call', async () => {
    const waiting = await answerOf(async (call) => {
      call.cacheFor('30s')
      await call.wait('red', {}, '5s')
    })
    assert.ok('context' in waiting && !('cacheFor' in waiting))
    const keeping = await answerOf((call) => {
      call.cacheFor('30s')
      call.context.asked = 1
    })
    assert.ok('context' in keeping && !('cacheFor' in keeping))
  })

  test('that is no duration, or no scope, is an invalid answer with its pointer', () => {
    for (const [field, value] of [
      ['cacheFor', 'soon'],
      ['staleIfError', '25h'],
      ['cacheScope', 'all'],
    ] as const) {
      const read = validateAnswer({ actions: [], [field]: value })
      assert.equal(read.ok ? '' : read.problem.pointer, `/${field}`)
    }
  })
})
