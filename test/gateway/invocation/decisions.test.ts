import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Action, Answer } from '../../../functions/contract/actions.ts'
import type { Invocation } from '../../../functions/contract/envelope.ts'
import type { FunctionHost, HostReply } from '../../../gateway/invocation/host.ts'
import { createInvoker, type InvokerOptions } from '../../../gateway/invocation/invoker.ts'
import { replyOfStatus, unreachable } from '../../../gateway/invocation/invoker-reply.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { invocationOf, Witness } from './functions.ts'

const AWAY = unreachable('ECONNREFUSED')
const FORK: Action = { action: 'fork', targets: ['sip:bob@192.0.2.2'] }
const KEPT: Answer = { actions: [FORK], cacheFor: '30s' }
type Change = (invocation: Invocation) => void

function started(options: Partial<InvokerOptions> = {}) {
  const clock = new FakeClock(1_000_000)
  const state = { reply: answer(KEPT), asked: 0 }
  const primary: FunctionHost = {
    manifest: () => Promise.reject(new Error('not asked')),
    invoke: async () => {
      state.asked++
      return state.reply
    },
    close: async () => {},
  }
  const witness = new Witness()
  const invoker = createInvoker({
    primary,
    breaker: { failures: Number.POSITIVE_INFINITY },
    clock,
    count: witness.count,
    log: witness.log,
    ...options,
  })
  const call = async (change: Change = () => {}, path = '/invite/example.com/bob') => {
    const make = (attempt: number, deadline: number) => {
      const invocation = invocationOf(attempt, deadline)
      change(invocation)
      return invocation
    }
    const result = await invoker.invoke(path, make, { method: 'INVITE' })
    return result.kind === 'answer' ? result.from : result.kind
  }
  return { clock, state, witness, call }
}

function answer(value: unknown): HostReply {
  return { kind: 'answer', answer: value }
}

describe('cacheFor', () => {
  test('the same question has the same answer until its time is over, without the function', async () => {
    const { clock, state, call, witness } = started()
    assert.equal(await call(), 'function')
    clock.advanceSync(29_999)
    assert.equal(await call(), 'cache')
    clock.advanceSync(1)
    assert.equal(await call(), 'function')
    assert.equal(state.asked, 2)
    assert.equal(witness.counts.get('invocations{result="answer",by="cache"}'), 1)
    assert.equal(clock.pending, 0)
  })

  const otherCalls: [string, Change][] = [
    [
      'tag of From',
      ({ data }) => {
        data.request.from = '<sip:alice@example.com>;tag=other'
      },
    ],
    [
      'Call-ID',
      ({ data }) => {
        data.call.callId = 'other'
      },
    ],
    [
      'source port',
      ({ data }) => {
        data.received.port = 6000
      },
    ],
    [
      'body',
      ({ data }) => {
        data.request.body = 'v=1'
      },
    ],
    [
      'rest of a binding',
      ({ data }) => {
        data.contacts[0]!.expires = 1
      },
    ],
  ]
  for (const [what, change] of otherCalls) {
    test(`another ${what} is the same question`, async () => {
      const { call } = started()
      await call()
      assert.equal(await call(change), 'cache')
    })
  }

  const otherQuestions: [string, Change][] = [
    [
      'caller',
      ({ data }) => {
        data.request.from = '<sip:eve@example.com>;tag=f1'
      },
    ],
    [
      'source address',
      ({ data }) => {
        data.received.address = '192.0.2.66'
      },
    ],
    [
      'transport',
      ({ data }) => {
        data.received.transport = 'tcp'
      },
    ],
    ['asserted identity (RFC 3325)', ({ data }) => void data.request.headers.push(['p-asserted-identity', '<tel:+1>'])],
    ['diversion (RFC 5806)', ({ data }) => void data.request.headers.push(['Diversion', '<sip:carol@example.com>'])],
    [
      'Request-URI parameter',
      ({ data }) => {
        data.request.uri = 'sip:bob@example.com;user=phone'
      },
    ],
    [
      'address of record',
      ({ data }) => {
        data.request.aor = 'sip:bob@example.org'
      },
    ],
    [
      'registered contact',
      ({ data }) => {
        data.contacts[0]!.uri = 'sip:bob@192.0.2.3'
      },
    ],
    [
      'number of contacts',
      ({ data }) => {
        data.contacts.length = 0
      },
    ],
  ]
  for (const [what, change] of otherQuestions) {
    test(`another ${what} is another question`, async () => {
      const { call } = started()
      await call()
      assert.equal(await call(change), 'function')
    })
  }

  test('an answer for everybody is given to every caller, but only for the same Request-URI and contacts', async () => {
    const { call, state } = started()
    state.reply = answer({ ...KEPT, cacheScope: 'public' })
    await call()
    const isPublic = new Set(['caller', 'source address', 'transport'])
    for (const [what, change] of otherQuestions) {
      if (/identity|diversion/.test(what) || isPublic.has(what)) assert.equal(await call(change), 'cache', what)
      else assert.equal(await call(change), 'function', what)
    }
  })

  test('a request with credentials is neither answered so, nor is its answer kept', async () => {
    const { call } = started()
    const auth = { scheme: 'Digest', proxy: true, nonceState: 'valid', params: {} } as const
    const withCredentials: Change = ({ data }) => {
      data.auth = auth
    }
    await call(withCredentials)
    assert.equal(await call(), 'function')
    assert.equal(await call(withCredentials), 'function')
    assert.equal(await call(), 'cache')
  })

  test('what is not a new request is always asked', async () => {
    for (const type of ['wait.resumed', 'wait.timed_out', 'subscription.matched', 'branch.failed'] as const) {
      const { call } = started()
      const later: Change = (invocation) => {
        invocation.type = type
      }
      await call(later)
      assert.equal(await call(later), 'function')
      assert.equal(await call(), 'function')
      assert.equal(await call(later), 'function')
    }
  })

  test('a path that was never kept is not even compared', async () => {
    const { call } = started()
    await call()
    let made = 0
    assert.equal(await call(() => void made++, '/invite/example.com/carol'), 'function')
    assert.equal(made, 1)
  })

  const ofOneCall: [string, unknown][] = [
    ['waits', { actions: [{ action: 'wait', name: 'w', any: [{ event: 'red' }], timeout: '5s' }] }],
    ['looks up', { actions: [{ action: 'lookup', name: 'l', aor: 'sip:a@b' }] }],
    ['subscribes', { actions: [{ action: 'subscribe', event: 'red', handler: 'h' }] }],
    ['keeps the call open for others', { actions: [FORK, { action: 'halt', for: '5s' }] }],
    ['names a handler for failed branches', { actions: [{ ...FORK, onFailed: 'h' }] }],
    ['carries a context', { actions: [FORK], context: { sdk: 1 } }],
    ['is very long', { actions: [{ action: 'reply', status: 480, body: 'x'.repeat(17_000) }] }],
  ]
  for (const [what, value] of ofOneCall) {
    test(`an answer that ${what} is performed and never kept, and the log says why`, async () => {
      const { call, state, witness } = started()
      state.reply = answer({ ...(value as object), cacheFor: '30s', staleIfError: '1h' })
      assert.equal(await call(), 'function')
      assert.equal(await call(), 'function')
      assert.match(String(witness.lines[0]!.fields.why), /^(it (holds|carries|has)|a fork)/)
    })
  }

  test('what the function says now replaces what it has said: another time, another scope, nothing', async () => {
    const { call, state, clock } = started()
    await call()
    clock.advanceSync(30_000)
    state.reply = answer({ ...KEPT, cacheFor: '1s', cacheScope: 'public' })
    await call()
    const other = otherQuestions[0]![1]
    assert.equal(await call(other), 'cache')
    clock.advanceSync(1000)
    state.reply = answer({ actions: [FORK] })
    await call()
    assert.deepEqual([await call(other), await call()], ['function', 'function'])
  })

  test('so many are kept; those used least recently give way', async () => {
    const { call } = started({ maxDecisions: 2 })
    const path = (user: string) => `/invite/example.com/${user}`
    for (const user of ['a', 'b', 'a', 'c']) await call(undefined, path(user))
    assert.deepEqual([await call(undefined, path('a')), await call(undefined, path('c'))], ['cache', 'cache'])
    assert.equal(await call(undefined, path('b')), 'function')
    const none = started({ maxDecisions: 0 })
    await none.call()
    assert.equal(await none.call(), 'function')
  })

  test('a handler that changes what it has answered changes nothing of what is kept', async () => {
    const targets = ['sip:bob@192.0.2.2']
    const given = { actions: [{ action: 'fork', targets }], cacheFor: '30s' }
    const { call, state } = started()
    state.reply = answer(given)
    await call()
    targets.push('sip:eve@192.0.2.66')
    assert.equal(await call(), 'cache')
  })
})

describe('staleIfError', () => {
  const STALE = answer({ ...KEPT, staleIfError: '10m' })
  const fallback: FunctionHost = {
    manifest: () => Promise.reject(new Error('not asked')),
    invoke: async () => answer({ actions: [FORK], cacheFor: '1h' }),
    close: async () => {},
  }

  test('the last good answer is given while the function fails, before the fallback is asked, until its time is over', async () => {
    const { call, state, clock, witness } = started({ fallback })
    state.reply = STALE
    await call()
    state.reply = AWAY
    clock.advanceSync(30_000)
    assert.equal(await call(), 'stale cache')
    clock.advanceSync(599_999)
    assert.equal(await call(), 'stale cache')
    clock.advanceSync(1)
    assert.equal(await call(), 'fallback')
    assert.equal(witness.counts.get('invocations{result="answer",by="stale cache"}'), 2)
  })

  test('it is given at once when the circuit is open', async () => {
    const { call, state, clock } = started({ fallback, breaker: { failures: 1 } })
    state.reply = STALE
    await call()
    clock.advanceSync(30_000)
    state.reply = AWAY
    await call()
    const { asked } = state
    assert.equal(await call(), 'stale cache')
    assert.equal(state.asked, asked)
  })

  test('a function that refuses this one call is believed', async () => {
    const { call, state, clock } = started({ fallback })
    state.reply = STALE
    await call()
    clock.advanceSync(30_000)
    state.reply = replyOfStatus(403, undefined)
    assert.equal(await call(), 'fallback')
  })

  test('a function that has said since that the call is not its own is believed, too', async () => {
    const { call, state, clock } = started({ fallback })
    state.reply = STALE
    await call()
    clock.advanceSync(30_000)
    state.reply = { kind: 'none' }
    assert.equal(await call(), 'none')
    state.reply = AWAY
    assert.equal(await call(), 'fallback')
  })

  test('alone it keeps an answer for this only', async () => {
    const { call, state } = started({ fallback })
    state.reply = answer({ actions: [FORK], staleIfError: '10m' })
    assert.deepEqual([await call(), await call()], ['function', 'function'])
    state.reply = AWAY
    assert.equal(await call(), 'stale cache')
  })

  test('what the fallback answers is not kept', async () => {
    const { call, state } = started({ fallback })
    state.reply = AWAY
    assert.deepEqual([await call(), await call()], ['fallback', 'fallback'])
  })
})
