import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Call, SipRouter } from '../../../functions/sdk/index.ts'
import { event, invocation, outcome } from '../invocations.ts'
import { byDispatch, Session } from '../session.ts'

/** A call begins under one version of a function and goes on under another. */

type Handler = (call: Call) => unknown

const AOR = 'sip:bob@example.com'
const errors: unknown[] = []

function deployed(handler: Handler): SipRouter {
  return new SipRouter({ onError: (error) => void errors.push(error) }).invite('/:domain/:user', handler as never)
}

/** A session whose function can be replaced. */
function calling(handler: Handler) {
  let sip = deployed(handler)
  const session = new Session((path, invoked) => byDispatch(sip)(path, invoked))
  return {
    session,
    redeploy(next: Handler | SipRouter) {
      sip = next instanceof SipRouter ? next : deployed(next)
    },
  }
}

/** What the new version is told when it is asked to take up what the old one began. */
async function refused(old: Handler, next: Handler, resume: (s: Session) => ReturnType<Session['resumeResult']>) {
  const { session, redeploy } = calling(old)
  await session.start()
  redeploy(next)
  const { status, body } = await resume(session)
  assert.equal(status, 409, JSON.stringify(body))
  return body as { title: string; detail: string; diff: string[] }
}

const registered = (s: Session) =>
  s.resumeResult('wait-1', event('contact.registered', { contact: 'sip:bob@192.0.2.7' }))

describe('a divergence is shown step by step', () => {
  test('what was done then, what would be done now, and what is the same', async () => {
    const { title, detail, diff } = await refused(
      async (call) => {
        const waited = call.wait('contact.registered', { aor: call.aor }, '25s')
        call.push()
        call.annotate({ queue: 'support' })
        await waited
      },
      async (call) => {
        const waited = call.wait('contact.registered', { aor: call.aor }, '25s')
        call.push('sip:carol@example.com')
        call.halt('30s')
        call.annotate({ queue: 'support' })
        const phone = await waited
        call.fork(phone!.contact)
      },
      registered,
    )
    assert.equal(title, 'replay.diverged')
    assert.match(detail, /^INVITE \/:domain\/:user: step 2 was push .*bob.* and is now push .*carol.*call\.run/)
    assert.deepEqual(diff, [
      '  1 wait {"any":[{"event":"contact.registered","filter":{"aor":"sip:bob@example.com"}}],"name":"wait-1","timeout":"25s"}',
      '- 2 push {"aor":"sip:bob@example.com"}',
      '+ 2 push {"aor":"sip:carol@example.com"}',
      '+ 3 halt {"for":"30s"}',
      '  3 annotate {"values":"#1"}',
      '+ 5 fork {"targets":["sip:bob@192.0.2.7"]}',
    ])
  })

  test('a step that is gone, and a run of another name', async () => {
    const { detail, diff } = await refused(
      async (call) => {
        const waited = call.wait('a', {}, '5s')
        await call.run('price', () => 1)
        call.cancel()
        await waited
      },
      async (call) => {
        const waited = call.wait('a', {}, '5s')
        await call.run('rate', () => assert.fail('it must not run'))
        await waited
      },
      (s) => s.resumeResult('wait-1', event('a', {})),
    )
    assert.match(detail, /step 2 was run price and is now run rate/)
    assert.deepEqual(
      diff.map((line) => line.slice(0, 12)),
      ['  1 wait {"a', '- 2 run pric', '- 3 cancel', '+ 2 run rate'],
    )
  })

  test('no secret is in it: bodies, headers, push parameters, passwords and tokens are numbers', async () => {
    const secretive = (secret: string) => async (call: Call) => {
      const waited = call.wait('a', { pin: secret }, '5s')
      call.fork(`sip:bob:${secret}@192.0.2.7;pn-provider=fcm;pn-prid=${secret}?X=1`)
      call.send('MESSAGE', 'sip:carol@example.com', { body: secret, headers: { set: { 'X-Key': secret } } })
      call.push(AOR, { note: secret })
      call.publish('paid', { card: secret })
      call.fork(`sip:${'long'.repeat(40)}@192.0.2.7;pn-prid=${secret}`)
      call.fork(`sip:bob@192.0.2.7?access_token=${secret}`)
      await waited
    }
    const problem = await refused(secretive('4711'), secretive('hunter2'), (s) =>
      s.resumeResult('wait-1', event('a', {})),
    )
    assert.doesNotMatch(JSON.stringify(problem), /4711|hunter2/)
    assert.equal(problem.diff.length, 14)
    assert.equal(problem.diff[0], '- 1 wait {"any":[{"event":"a","filter":{"pin":#1}}],"name":"wait-1","timeout":"5s"}')
  })

  test('of a long handler only what is around the difference', async () => {
    const many = (last: string) => async (call: Call) => {
      const waited = call.wait('a', {}, '5s')
      for (let n = 0; n < 20; n++) call.push(`sip:${n}@example.com`)
      call.push(last)
      await waited
    }
    const { diff } = await refused(many('sip:x@example.com'), many('sip:y@example.com'), (s) =>
      s.resumeResult('wait-1', event('a', {})),
    )
    assert.deepEqual(diff, [
      '  … 18 steps as before',
      '  19 push {"aor":"sip:17@example.com"}',
      '  20 push {"aor":"sip:18@example.com"}',
      '  21 push {"aor":"sip:19@example.com"}',
      '- 22 push {"aor":"sip:x@example.com"}',
      '+ 22 push {"aor":"sip:y@example.com"}',
    ])
  })

  test('what the refused handler goes on to do is nobody’s error', async () => {
    errors.length = 0
    await refused(
      async (call) => void (await call.wait('a', {}, '5s')),
      async (call) => {
        call.push()
        await new Promise((resolve) => setImmediate(() => setImmediate(() => setImmediate(resolve))))
        call.push()
        throw new Error('lost')
      },
      (s) => s.resumeResult('wait-1', event('a', {})),
    )
    await new Promise((resolve) => setImmediate(() => setImmediate(() => setImmediate(() => setImmediate(resolve)))))
    assert.deepEqual(errors, [])
  })
})

describe('what a redeployment may change while calls wait', () => {
  const old: Handler = async (call) => {
    const desk = await call.ring(call.contacts, { for: '15s', mode: 'parallel', headers: { set: { A: '1', B: '2' } } })
    if (desk.answered) return
    const waited = call.wait('contact.registered', { aor: call.aor, kind: 'new' }, '25s')
    call.push()
    const phone = await waited
    if (!phone) return call.reply(480)
    call.fork(phone.contact)
  }
  /** @returns what the new version does when the phone comes */
  async function after(next: Handler | SipRouter) {
    const { session, redeploy } = calling(old)
    await session.start()
    await session.resume('ring-1', outcome('ring-1', false, 486))
    redeploy(next)
    return session.resume('wait-2', event('contact.registered', { contact: 'sip:bob@192.0.2.7' }))
  }

  test('code after the last await, log lines, names of variables, the order in which options are written', async () => {
    const lines: string[] = []
    const actions = await after(async (call) => {
      lines.push('called')
      const result = await call.ring(call.contacts, {
        headers: { set: { B: '2', A: '1' } },
        mode: 'parallel',
        for: '15s',
      })
      lines.push(`rung: ${result.status}`)
      if (result.answered) return
      const comes = call.wait('contact.registered', { kind: 'new', aor: call.aor }, '25s')
      call.push()
      const woken = await comes
      if (!woken) return call.fork('sip:voicemail@example.com')
      call.annotate({ woken: 'yes', at: call.now() })
      const late = await call.ring(woken.contact, { for: '20s' })
      if (!late.answered) call.reply(480)
    })
    assert.deepEqual(
      actions.map(({ action }) => action),
      ['annotate', 'fork', 'wait'],
    )
  })

  test('other routes and named handlers', async () => {
    const next = new SipRouter()
    next.invite('/fax.example.com/:user', (call) => call.reply(488))
    next.invite('/:domain/:user', old as never)
    next.message('/:domain/:user', (call) => call.reply(202))
    next.on('late', (call) => call.reply(480))
    assert.deepEqual(await after(next), [{ action: 'fork', targets: ['sip:bob@192.0.2.7'] }])
  })

  test('a journal reads the same as ever: what was written by this version', async () => {
    const journal = {
      steps: [
        '{"action":"fork","id":"ring-1","targets":[{"q":1,"uri":"sip:bob@192.0.2.7:5060"}]}',
        '{"action":"wait","any":[{"fork":"ring-1"}],"name":"ring-1","timeout":"15s"}',
        '{"action":"send","body":"#1vfbff2ibgm","headers":"#dm8ee8dbfm","method":"MESSAGE","target":"sip:carol@example.com"}',
        'run price',
        '{"action":"wait","any":[{"event":"a","filter":{"list":["x","y"]}}],"name":"wait-3","timeout":1500}',
      ],
      results: [
        { of: 'ring-1', value: { id: 'ring-1', answered: false, status: 486 }, at: 1767607205000 },
        { of: 'run-2', value: { cents: 5 } },
      ],
      seen: { contacts: [[0, [{ uri: 'sip:bob@192.0.2.7:5060', q: 1, expires: 300, push: false }]]] },
      start: { time: '2026-01-05T10:00:00.000Z' },
    }
    const handler: Handler = async (call) => {
      const { status } = await call.ring(call.contacts, { for: '15s' })
      call.send('MESSAGE', 'sip:carol@example.com', { body: 'hi', headers: { set: { A: '1' } } })
      const { cents } = await call.run('price', () => ({ cents: 5 }))
      await call.wait('a', { list: ['x', 'y'] }, 1500)
      call.annotate({ status, cents, at: call.now() })
    }
    const { session } = calling(handler)
    await session.start()
    const time = '2026-01-05T10:00:05.000Z'
    await session.resume('ring-1', outcome('ring-1', false, 486), { time })
    assert.deepEqual((session.context as { journals: object }).journals, { '': journal })
    const { body } = await session.resumeResult('wait-3', event('a', {}), { time: '2026-01-05T10:00:06.000Z' })
    assert.deepEqual((body as { actions: unknown }).actions, [
      { action: 'annotate', values: { status: '486', cents: '5', at: '1767607206000' } },
    ])
  })

  describe('call.patched', () => {
    const before: Handler = async (call) => {
      await call.wait('a', {}, '5s')
      call.push()
      await call.wait('b', {}, '5s')
      call.reply(480)
    }
    const patched: Handler = async (call) => {
      await call.wait('a', {}, '5s')
      if (call.patched('annotate')) call.annotate({ version: 2 })
      call.push()
      await call.wait('b', {}, '5s')
      if (call.patched('busy')) call.reply(486)
      else call.reply(480)
    }
    const names = (actions: { action: string }[]) => actions.map(({ action }) => action)

    test('is false where a call has passed before the change, true where it comes later', async () => {
      const { session, redeploy } = calling(before)
      await session.start()
      await session.resume('wait-1', event('a', {}))
      redeploy(patched)
      assert.deepEqual(await session.resume('wait-2', event('b', {})), [{ action: 'reply', status: 486 }])
    })

    test('is true for new calls, and stays so on replay and when the question is gone', async () => {
      for (const last of [
        patched,
        async (call: Call) => {
          await call.wait('a', {}, '5s')
          call.annotate({ version: 2 })
          call.push()
          await call.wait('b', {}, '5s')
          call.reply(486)
        },
      ]) {
        const { session, redeploy } = calling(patched)
        await session.start()
        assert.deepEqual(names(await session.resume('wait-1', event('a', {}))), ['annotate', 'push', 'wait'])
        redeploy(last)
        assert.deepEqual(await session.resume('wait-2', event('b', {})), [{ action: 'reply', status: 486 }])
      }
    })

    test('the first answer stays, also where the handler has caught up', async () => {
      const looping: Handler = async (call) => {
        for (let n = 1; n <= 3; n++) {
          if (call.patched('loop')) call.annotate({ n })
          await call.wait('a', {}, '5s')
        }
      }
      const { session, redeploy } = calling(async (call) => {
        for (let n = 1; n <= 3; n++) await call.wait('a', {}, '5s')
      })
      await session.start()
      redeploy(looping)
      assert.deepEqual(names(await session.resume('wait-1', event('a', {}))), ['wait'])
      assert.deepEqual(names(await session.resume('wait-2', event('a', {}))), ['wait'])
      assert.deepEqual(names(await session.resume('wait-3', event('a', {}))), [])
    })
  })
})

describe('time and chance are the same on replay', () => {
  const draws: unknown[][] = []
  const drawing: Handler = async (call) => {
    const drawn: unknown[] = [call.now(), call.random()]
    draws.push(drawn)
    await call.wait('a', {}, '5s')
    drawn.push(call.now(), call.random(), call.uuid())
    await call.wait('b', {}, '5s')
    drawn.push(call.now(), call.time.getTime())
  }
  async function played(id: string) {
    draws.length = 0
    const { session } = calling(drawing)
    const transaction = { id }
    await session.start({ transaction })
    await session.resume('wait-1', event('a', {}), { transaction, time: '2026-01-05T10:00:03.000Z' })
    await session.resume('wait-2', event('b', {}), { transaction, time: '2026-01-05T10:00:02.000Z' })
    return [...draws]
  }
  const START = Date.parse('2026-01-05T10:00:00.000Z')

  test('now is the time of the newest await and never goes back; random and uuid come in the same order again', async () => {
    const [first, second, third] = await played('tx-7')
    assert.deepEqual(second!.slice(0, 2), first)
    assert.deepEqual(third!.slice(0, 5), second)
    assert.equal(third![0], START)
    assert.equal(third![2], START + 3000)
    assert.deepEqual(third!.slice(5), [START + 3000, START])
    assert.match(third![4] as string, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  test('no draw is kept in the journal', async () => {
    const { session } = calling(async (call) => {
      for (let n = 0; n < 1000; n++) call.random()
      await call.wait('a', {}, '5s')
    })
    await session.start()
    assert.ok(JSON.stringify(session.context).length < 300)
  })

  test('another call, and another handler of the same call, draw something else', async () => {
    const [[, one]] = (await played('tx-7')) as [unknown[]]
    const [[, other]] = (await played('tx-8')) as [unknown[]]
    const sip = deployed(drawing)
    const drawn: number[] = []
    sip.on('late', (call) => void drawn.push(call.random()))
    const session = new Session(byDispatch(sip))
    await session.fire('late', 'x', {})
    await session.fire('late', 'x', {})
    assert.equal(new Set([one, other, ...drawn]).size, 4)
  })

  test('draws are spread evenly, and calls that are named alike have nothing in common', async () => {
    const tenths = new Array<number>(10).fill(0)
    for (let n = 0; n < 2000; n++) {
      const sip = deployed((call) => void tenths[Math.floor(call.random() * 10)]!++)
      await sip.dispatch('/invite/example.com/bob', invocation({ transaction: { id: `tx-${n}` } }))
    }
    for (const count of tenths) assert.ok(count > 130 && count < 270, String(tenths))
  })

  test('in call.run chance is not for the having: it would not be drawn again on replay', async () => {
    const { session } = calling(async (call) => {
      const failed = await call.run('draw', () => call.random()).catch((error) => String(error))
      call.annotate({ failed })
    })
    const [annotate] = await session.start()
    assert.match(JSON.stringify(annotate), /TypeError: in call.run use the platform.s own chance/)
  })
})
