import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Contact } from '../../functions/contract/envelope.ts'
import { type CallEvent, fork, fromEvent, SipRouter } from '../../functions/sdk/index.ts'
import { BOB_PHONE, BOB_TABLET, invocation } from './invocations.ts'
import { event, outcome, Session, type Way } from './session.ts'

const AOR = 'sip:bob@example.com'

/** What holds for functions however they are invoked. */
export function contractSuite(way: Way): void {
  /** A router whose only INVITE handler is this one. */
  function session(handler: Parameters<SipRouter['invite']>[1], more?: (sip: SipRouter) => void): Session {
    const sip = new SipRouter({ onError: () => {} })
    sip.invite('/:domain/:user', handler)
    more?.(sip)
    return new Session(way(sip))
  }

  describe('verbs record actions, in order', () => {
    test('fork: contacts become targets with their q', async () => {
      const s = session((call) => call.fork(call.contacts))
      const contacts = [BOB_PHONE, BOB_TABLET]
      const targets = [
        { uri: BOB_PHONE.uri, q: 1 },
        { uri: BOB_TABLET.uri, q: 0.5 },
      ]
      assert.deepEqual(await s.start({ data: { contacts } }), [{ action: 'fork', targets }])
    })

    test('fork: a URI, a target of another AOR, and every option', async () => {
      const options = {
        mode: 'sequential' as const,
        ringFor: '20s',
        noReplyFor: 2000,
        headers: { remove: ['P-Old'], set: { 'X-New': '1' }, add: [['X-Two', '2'] as [string, string]] },
        retryOn: [486],
        finalOn: [603],
        id: 'desk',
        onFailed: 'failed',
      }
      const s = session((call) => {
        call.fork('sip:a@192.0.2.9')
        call.fork([{ uri: 'sip:b@192.0.2.9', q: 0.3, aor: 'sip:b@example.com' }], options)
      })
      assert.deepEqual(await s.start(), [
        { action: 'fork', targets: ['sip:a@192.0.2.9'] },
        { action: 'fork', targets: [{ uri: 'sip:b@192.0.2.9', q: 0.3, aor: 'sip:b@example.com' }], ...options },
      ])
    })

    test('reply, redirect, challenge', async () => {
      const s = session((call) => {
        call.reply(486)
        call.reply(200, 'OK', { contentType: 'text/plain', body: 'hello', headers: { set: { 'X-A': 'b' } } })
        call.redirect('sip:carol@example.com')
        call.redirect(['sip:carol@example.com'], 301)
        call.challenge('example.com', { algorithms: ['SHA-256'], stale: true })
      })
      assert.deepEqual(await s.start(), [
        { action: 'reply', status: 486 },
        {
          action: 'reply',
          status: 200,
          reason: 'OK',
          contentType: 'text/plain',
          body: 'hello',
          headers: { set: { 'X-A': 'b' } },
        },
        { action: 'redirect', targets: ['sip:carol@example.com'] },
        { action: 'redirect', targets: ['sip:carol@example.com'], status: 301 },
        { action: 'challenge', realm: 'example.com', proxy: true, algorithms: ['SHA-256'], stale: true },
      ])
    })

    test('save, remove, cancel, halt', async () => {
      const s = session((call) => {
        call.save({ maxContacts: 3 })
        call.remove(AOR)
        call.remove(AOR, 'sip:bob@192.0.2.7')
        call.cancel()
        call.cancel({ fork: 'desk', reason: 'Elsewhere' })
        call.halt('30s')
      })
      assert.deepEqual(await s.start(), [
        { action: 'save', maxContacts: 3 },
        { action: 'remove', aor: AOR },
        { action: 'remove', aor: AOR, contact: 'sip:bob@192.0.2.7' },
        { action: 'cancel' },
        { action: 'cancel', fork: 'desk', reason: 'Elsewhere' },
        { action: 'halt', for: '30s' },
      ])
    })

    test('subscribe with a handler, and with a reaction that needs no invocation', async () => {
      const s = session((call) => {
        call.subscribe('contact.registered', { aor: call.aor }, 'late-fork', {
          for: '30s',
          name: 'late',
          until: 'answered',
        })
        call.subscribe('contact.registered', { aor: call.aor }, [fork(fromEvent('contact'))])
        call.unsubscribe('late')
        call.unsubscribe()
      })
      assert.deepEqual(await s.start(), [
        {
          action: 'subscribe',
          event: 'contact.registered',
          filter: { aor: AOR },
          handler: 'late-fork',
          for: '30s',
          name: 'late',
          until: 'answered',
        },
        {
          action: 'subscribe',
          event: 'contact.registered',
          filter: { aor: AOR },
          actions: [{ action: 'fork', targets: [{ fromEvent: 'contact' }] }],
        },
        { action: 'unsubscribe', name: 'late' },
        { action: 'unsubscribe' },
      ])
    })

    test('publish, push, hangup, send, annotate', async () => {
      const s = session((call) => {
        call.publish('pickup', { by: 'carol', ext: 7, nothing: undefined as unknown as string })
        call.push()
        call.push('sip:carol@example.com', { why: 'call' })
        call.hangup('fax', { status: 603 })
        call.send('MESSAGE', 'sip:carol@example.com', { from: AOR, contentType: 'text/plain', body: 'missed call' })
        call.annotate({ tenant: 'acme', tries: 2, vip: true })
      })
      assert.deepEqual(await s.start(), [
        { action: 'publish', type: 'pickup', attributes: { by: 'carol', ext: 7 } },
        { action: 'push', aor: AOR },
        { action: 'push', aor: 'sip:carol@example.com', data: { why: 'call' } },
        { action: 'hangup', reason: 'fax', status: 603 },
        {
          action: 'send',
          method: 'MESSAGE',
          target: 'sip:carol@example.com',
          from: AOR,
          contentType: 'text/plain',
          body: 'missed call',
        },
        { action: 'annotate', values: { tenant: 'acme', tries: '2', vip: 'true' } },
      ])
    })

    test('a handler that does nothing answers no actions', async () => {
      assert.deepEqual(await session(() => {}).start(), [])
    })
  })

  describe('a call tells the request', () => {
    test('addresses, path parameters, headers in long and compact form, where it came from', async () => {
      let seen: unknown
      const s = session((call) => {
        seen = {
          id: call.id,
          callId: call.callId,
          method: call.method,
          uri: call.uri,
          aor: call.aor,
          user: call.user,
          domain: call.domain,
          param: call.param('user' as never),
          from: [call.from.display, call.from.uri, call.from.aor, call.from.user, call.from.host],
          to: call.to.aor,
          subject: call.header('SUBJECT'),
          subjects: call.headersNamed('s'),
          headers: call.headers.length,
          body: call.body,
          received: call.received.address,
          isLocal: call.isLocal,
          time: call.time.toISOString(),
          state: call.state,
          contact: call.request.contact,
        }
      })
      await s.start({ request: { body: 'v=0', uri: 'sip:bob@Example.com;transport=tcp', isLocal: false } })
      assert.deepEqual(seen, {
        id: 'call-1@alice',
        callId: 'call-1@alice',
        method: 'INVITE',
        uri: 'sip:bob@Example.com;transport=tcp',
        aor: AOR,
        user: 'bob',
        domain: 'example.com',
        param: 'bob',
        from: ['Alice', 'sip:alice@example.com', 'sip:alice@example.com', 'alice', 'example.com'],
        to: AOR,
        subject: 'first',
        subjects: ['first', 'second'],
        headers: 3,
        body: 'v=0',
        received: '192.0.2.1',
        isLocal: false,
        time: '2026-01-05T10:00:00.000Z',
        state: 'proceeding',
        contact: '<sip:alice@192.0.2.1:5060>',
      })
    })

    test('context is kept from handler to handler', async () => {
      const s = session(
        (call) => {
          call.context.tries = 1
          call.subscribe('dtmf', { callId: call.id }, 'digit')
        },
        (sip) =>
          sip.on('digit', (call, event: CallEvent) => {
            const digits = (call.context.digits as string[] | undefined) ?? []
            call.context.digits = [...digits, event.digit]
          }),
      )
      await s.start()
      await s.fire('digit', 'dtmf', { callId: 'call-1@alice', digit: '2' })
      await s.fire('digit', 'dtmf', { callId: 'call-1@alice', digit: '3' })
      assert.deepEqual((s.context as { data: unknown }).data, { tries: 1, digits: ['2', '3'] })
    })

    test('context that JSON changes is the same both ways: dates become text, undefined goes', async () => {
      const s = session((call) => {
        Object.assign(call.context, { at: new Date(0), gone: undefined })
      })
      await s.start()
      assert.deepEqual((s.context as { data: unknown }).data, { at: '1970-01-01T00:00:00.000Z' })
    })
  })

  describe('routes', () => {
    test('the first route that matches takes the request; a method has its own', async () => {
      const sip = new SipRouter()
      sip.invite('/support.example.com/:user', (call) => call.reply(480))
      sip.invite('/:domain/:user{fax-[0-9]+}', (call) => call.reply(488))
      sip.invite('/:domain/:user', (call) => call.reply(486))
      sip.message('/:domain/:user', (call) => call.reply(202))
      sip.method('foo', '/:domain/:user', (call) => call.reply(299))
      sip.all('/:domain/:user', (call) => call.reply(405))
      const status = async (path: string) => {
        const [action] = await new Session(way(sip)).start({}, path)
        return action?.action === 'reply' && action.status
      }
      assert.equal(await status('/invite/support.example.com/bob'), 480)
      assert.equal(await status('/invite/example.com/fax-7'), 488)
      assert.equal(await status('/invite/example.com/fax-x'), 486)
      assert.equal(await status('/message/example.com/bob'), 202)
      assert.equal(await status('/foo/example.com/bob'), 299)
      assert.equal(await status('/refer/example.com/bob'), 405)
      assert.equal(await status('/bar/example.com/bob'), 405)
    })

    test('every method has its verb', async () => {
      const sip = new SipRouter()
      const path = '/:domain/:user'
      sip
        .invite(path, (call) => call.annotate({ m: 'invite' }))
        .register(path, (call) => call.annotate({ m: 'register' }))
      sip
        .message(path, (call) => call.annotate({ m: 'message' }))
        .options(path, (call) => call.annotate({ m: 'options' }))
      sip
        .subscribe(path, (call) => call.annotate({ m: 'subscribe' }))
        .notify(path, (call) => call.annotate({ m: 'notify' }))
      sip.publish(path, (call) => call.annotate({ m: 'publish' })).refer(path, (call) => call.annotate({ m: 'refer' }))
      sip.info(path, (call) => call.annotate({ m: 'info' }))
      const methods = sip.manifest().routes.map(({ method }) => method.toLowerCase())
      assert.equal(methods.length, 9)
      for (const m of methods) {
        const actions = await new Session(way(sip)).start({}, `/${m}/example.com/bob`)
        assert.deepEqual(actions, [{ action: 'annotate', values: { m } }])
      }
    })

    test('a user with signs that a URL escapes is found by its own name, and told unescaped', async () => {
      const sip = new SipRouter()
      const seen: string[] = []
      sip.invite('/example.com/#7', () => void seen.push('#7 itself'))
      sip.invite('/:domain/:user{\\+1.+}', (call) => void seen.push(`plus ${call.param('user')}`))
      sip.invite('/:domain/:user{\\*97}', (call) => void seen.push(`star ${call.param('user')}`))
      sip.invite('/:domain/:user', (call) => void seen.push(call.param('user')))
      for (const user of ['#7', '+1555', '*97', 'a/b', '50%', 'jö', 'a b', '[::1]:5060']) {
        await new Session(way(sip)).start({}, `/invite/example.com/${encodeURIComponent(user)}`)
      }
      assert.deepEqual(seen, ['#7 itself', 'plus +1555', 'star *97', 'a/b', '50%', 'jö', 'a b', '[::1]:5060'])
    })

    test('no route: 204, not mine; no such handler: 404 handler.unknown', async () => {
      const sip = new SipRouter()
      sip.invite('/example.com/:user', () => {})
      const invoke = way(sip)
      assert.deepEqual(await invoke('/invite/example.net/bob', invocation()), { status: 204 })
      assert.deepEqual(await invoke('/message/example.com/bob', invocation()), { status: 204 })
      const { status, body } = await invoke('/on/nobody', invocation({ type: 'subscription.matched' }))
      assert.deepEqual([status, (body as { title: string }).title], [404, 'handler.unknown'])
    })
  })

  describe('trouble', () => {
    test('a handler that throws, at once or later: 500 handler.threw, told once, its words kept from the gateway', async () => {
      for (const handler of [
        () => {
          throw new Error('password is hunter2')
        },
        async () => {
          await null
          throw new Error('password is hunter2')
        },
      ]) {
        const errors: unknown[] = []
        const sip = new SipRouter({ onError: (error) => errors.push(error) })
        sip.invite('/:domain/:user', handler)
        const { status, body } = await way(sip)('/invite/example.com/bob', invocation())
        assert.equal(status, 500)
        assert.equal((body as { title: string }).title, 'handler.threw')
        assert.match((body as { detail: string }).detail, /INVITE \/:domain\/:user/)
        assert.doesNotMatch(JSON.stringify(body), /hunter2|contract-suite/)
        assert.equal(errors.length, 1)
      }
    })

    test('a target that is none: the handler throws, saying what it got', async () => {
      const errors: Error[] = []
      const sip = new SipRouter({ onError: (error) => void errors.push(error as Error) })
      sip.on('late', (call, event) => call.fork(event.contact))
      const { status } = await way(sip)('/on/late', invocation({ type: 'subscription.matched' }))
      assert.equal(status, 500)
      const s = await way(sip)(
        '/on/late',
        invocation({
          type: 'subscription.matched',
          data: { event: { id: 'e', type: 'pickup', time: '2026-01-05T10:00:05.000Z', attributes: {} } },
        }),
      )
      assert.equal(s.status, 500)
      assert.match(errors[1]!.message, /expected a SIP URI or a contact as target, got undefined/)
    })

    test('context that no JSON can hold is the handler’s fault', async () => {
      for (const isAsync of [false, true]) {
        const s = session((call) => {
          call.context.self = call.context
          return isAsync ? Promise.resolve() : undefined
        })
        assert.equal((await s.result({}, '/invite/example.com/bob')).status, 500)
      }
    })
  })

  describe('named handlers', () => {
    test('subscription.matched: the event’s attributes are fields of it, digits are text', async () => {
      const s = session(
        () => {},
        (sip) =>
          sip.on('screen', (call, event) => {
            if (event.digit !== '2')
              call.hangup(`${event.type} ${event.digit} ${event.duration + 1} ${event.attributes.source}`)
          }),
      )
      assert.deepEqual(await s.fire('screen', 'dtmf', { digit: '2' }), [])
      assert.deepEqual(await s.fire('screen', 'dtmf', { digit: '3', duration: '160', source: 'info' }), [
        { action: 'hangup', reason: 'dtmf 3 161 info' },
      ])
    })

    test('branch.failed: the handler gets the branch', async () => {
      const s = session(
        () => {},
        (sip) =>
          sip.on('failed', (call, branch) => call.annotate({ failed: branch.uri, was: call.branch?.status ?? 0 })),
      )
      const branch = { id: 'b1', uri: BOB_PHONE.uri, state: 'failed' as const, status: 486 }
      const { body } = await s.result({ type: 'branch.failed', data: { branch } }, '/on/failed')
      assert.deepEqual(body, { actions: [{ action: 'annotate', values: { failed: BOB_PHONE.uri, was: '486' } }] })
    })

    test('transaction.cancelled goes to onCancel, whatever the path; without one it is nothing: 204', async () => {
      const cancelled = invocation({ type: 'transaction.cancelled' })
      const without = new SipRouter()
      without.invite('/:domain/:user', (call) => call.reply(500))
      assert.deepEqual(await way(without)('/invite/example.com/bob', cancelled), { status: 204 })
      const sip = new SipRouter()
      sip.invite('/:domain/:user', (call) => call.reply(500))
      sip.onCancel((call) => call.publish('missed', { aor: call.aor }))
      sip.onCancel(async (call) => call.annotate({ cancelled: true }))
      assert.deepEqual(sip.manifest().wants, ['transaction.cancelled'])
      assert.deepEqual(await way(sip)('/invite/example.com/bob', cancelled), {
        status: 200,
        body: {
          actions: [
            { action: 'publish', type: 'missed', attributes: { aor: AOR } },
            { action: 'annotate', values: { cancelled: 'true' } },
          ],
        },
      })
    })

    test('nothing can be waited for in onCancel, and the message says why', async () => {
      const errors: Error[] = []
      const sip = new SipRouter({ onError: (error) => void errors.push(error as Error) })
      sip.onCancel(async (call) => void (await call.wait('pickup', {}, '1s')))
      assert.equal((await way(sip)('/invite/a/b', invocation({ type: 'transaction.cancelled' }))).status, 500)
      assert.match(errors[0]!.message, /call.wait is not possible in onCancel: the transaction has ended/)
    })
  })

  describe('wait', () => {
    const WAIT = {
      action: 'wait',
      name: 'wait-1',
      any: [{ event: 'contact.registered', filter: { aor: AOR } }],
      timeout: '25s',
    }
    const pushAndWait = () =>
      session(async (call) => {
        const registered = call.wait('contact.registered', { aor: call.aor }, '25s')
        call.push(call.aor)
        const phone = await registered
        if (!phone) return call.reply(480)
        call.fork(phone.contact)
      })

    test('is armed at the call, in order, and suspends at the await', async () => {
      assert.deepEqual(await pushAndWait().start(), [WAIT, { action: 'push', aor: AOR }])
    })

    test('the event resumes it; what was performed is not sent again', async () => {
      const s = pushAndWait()
      await s.start()
      const actions = await s.resume('wait-1', event('contact.registered', { aor: AOR, contact: 'sip:bob@192.0.2.9' }))
      assert.deepEqual(actions, [{ action: 'fork', targets: ['sip:bob@192.0.2.9'] }])
    })

    test('the deadline resumes it with null', async () => {
      const s = pushAndWait()
      await s.start()
      assert.deepEqual(await s.resume('wait-1', { timedOut: true }), [{ action: 'reply', status: 480 }])
    })

    test('any of several conditions', async () => {
      const s = session(async (call) => {
        const first = await call.wait(
          [{ event: 'contact.registered', filter: { aor: call.aor } }, { event: 'pickup' }, { fork: 'desk' }],
          5000,
        )
        call.annotate({ first: first?.type ?? 'none', status: String(first?.status ?? '') })
      })
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
    })

    test('armed and never awaited: it does not go out', async () => {
      const s = session((call) => {
        void call.wait('pickup', {}, '5s')
        call.fork(call.contacts)
      })
      const actions = await s.start()
      assert.deepEqual(
        actions.map(({ action }) => action),
        ['fork'],
      )
      assert.equal(s.context, undefined)
    })

    test('armed by an earlier answer and not wanted any more: it is unsubscribed', async () => {
      const s = session(async (call) => {
        const picked = call.wait('pickup', {}, '60s')
        const phone = await call.wait('contact.registered', { aor: call.aor }, '25s')
        if (phone) return call.fork(phone.contact)
        await picked
      })
      const waits = await s.start()
      assert.deepEqual(
        waits.map((action) => action.action === 'wait' && action.name),
        ['wait-1', 'wait-2'],
      )
      const actions = await s.resume('wait-2', event('contact.registered', { contact: 'sip:bob@192.0.2.9' }))
      assert.deepEqual(actions, [
        { action: 'fork', targets: ['sip:bob@192.0.2.9'] },
        { action: 'unsubscribe', name: 'wait-1' },
      ])
    })

    test('several waits one after the other', async () => {
      const s = session(async (call) => {
        const digits: string[] = []
        while (digits.length < 3) {
          const pressed = await call.wait('dtmf', { callId: call.id }, '5s')
          if (!pressed) break
          digits.push(pressed.digit)
        }
        call.annotate({ digits: digits.join('') })
      })
      await s.start()
      assert.deepEqual((await s.resume('wait-1', event('dtmf', { digit: 4 }))).length, 1)
      assert.deepEqual((await s.resume('wait-2', event('dtmf', { digit: 5 }))).length, 1)
      assert.deepEqual(await s.resume('wait-3', event('dtmf', { digit: 6 })), [
        { action: 'annotate', values: { digits: '456' } },
      ])
      assert.deepEqual(s.context, { sdk: 1 })
    })

    test('neither catch nor finally sees anything while it waits', async () => {
      const seen: string[] = []
      const s = session(async (call) => {
        try {
          await call.wait('pickup', {}, '5s')
          seen.push('resumed')
        } catch {
          seen.push('catch')
        } finally {
          seen.push('finally')
        }
      })
      await s.start()
      assert.deepEqual(seen, [])
      await s.resume('wait-1', event('pickup', {}))
      assert.deepEqual(seen, ['resumed', 'finally'])
    })

    test('a wake-up that is delivered twice does nothing twice', async () => {
      const s = session(async (call) => {
        await call.wait('pickup', {}, '5s')
        call.publish('picked')
        await call.wait('pickup', {}, '5s')
      })
      await s.start()
      assert.equal((await s.resume('wait-1', event('pickup', {}))).length, 2)
      assert.deepEqual(await s.resume('wait-1', event('pickup', {})), [])
    })

    test('a wake-up for a handler that has ended is nothing to do, and leaves the context alone', async () => {
      const s = pushAndWait()
      await s.start()
      await s.resume('wait-1', { timedOut: true })
      assert.deepEqual(await s.resume('wait-1', event('contact.registered', {})), [])
      assert.deepEqual(s.context, { sdk: 1 })
    })

    test('a wake-up whose context was lost is refused: 409', async () => {
      const s = pushAndWait()
      await s.start()
      s.context = undefined
      const { status, body } = await s.resumeResult('wait-1', { timedOut: true })
      assert.equal(status, 409)
      assert.match((body as { detail: string }).detail, /no journal for wait-1/)
    })

    test('a context that nobody of this SDK has written is refused or left alone, and breaks nothing', async () => {
      const wait = { name: 'wait-1', timedOut: true }
      const { invoke } = pushAndWait()
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
    })

    test('the promise may be returned instead of awaited', async () => {
      const s = session((call) => call.wait('pickup', {}, '5s').then(() => call.reply(480)))
      assert.equal((await s.start()).length, 1)
      assert.deepEqual(await s.resume('wait-1', event('pickup', {})), [{ action: 'reply', status: 480 }])
    })
  })

  describe('ring', () => {
    const ringDesk = () =>
      session(async (call) => {
        const desk = await call.ring(call.contacts, { for: '15s', mode: 'parallel' })
        call.annotate({ answered: desk.answered, status: desk.status })
      })

    test('forks, and waits for what comes of it', async () => {
      const s = ringDesk()
      assert.deepEqual(await s.start(), [
        { action: 'fork', targets: [{ uri: BOB_PHONE.uri, q: 1 }], mode: 'parallel', id: 'ring-1' },
        { action: 'wait', name: 'ring-1', any: [{ fork: 'ring-1' }], timeout: '15s' },
      ])
      assert.deepEqual(await s.resume('ring-1', outcome('ring-1', false, 486)), [
        { action: 'annotate', values: { answered: 'false', status: '486' } },
      ])
    })

    test('answered', async () => {
      const s = ringDesk()
      await s.start()
      assert.deepEqual(await s.resume('ring-1', outcome('ring-1', true, 200)), [
        { action: 'annotate', values: { answered: 'true', status: '200' } },
      ])
    })

    test('time is over: what still rings is cancelled, and the status is 408', async () => {
      const s = ringDesk()
      await s.start()
      assert.deepEqual(await s.resume('ring-1', { timedOut: true }), [
        { action: 'cancel', fork: 'ring-1', reason: 'No answer' },
        { action: 'annotate', values: { answered: 'false', status: '408' } },
      ])
    })

    test('a fork of the handler’s own name is waited for, and cancelled, under that name', async () => {
      const s = session(async (call) => {
        await call.ring(call.contacts, { for: '15s', id: 'desk' })
        await call.wait('pickup', {}, '5s')
      })
      const [, wait] = await s.start()
      assert.deepEqual(wait, { action: 'wait', name: 'ring-1', any: [{ fork: 'desk' }], timeout: '15s' })
      const actions = await s.resume('ring-1', { timedOut: true })
      assert.deepEqual(actions[0], { action: 'cancel', fork: 'desk', reason: 'No answer' })
      assert.deepEqual(await s.resume('wait-2', { timedOut: true }), [])
    })

    test('not awaited it is a fork', async () => {
      const s = session((call) => {
        void call.ring(call.contacts, { for: '15s' })
      })
      assert.deepEqual(
        (await s.start()).map(({ action }) => action),
        ['fork'],
      )
    })
  })

  describe('lookup and run', () => {
    test('lookup: suspends, and comes back with the contacts', async () => {
      const s = session(async (call) => {
        const contacts = await call.lookup('sip:carol@example.com')
        call.fork(contacts)
      })
      assert.deepEqual(await s.start(), [{ action: 'lookup', name: 'lookup-1', aor: 'sip:carol@example.com' }])
      assert.deepEqual(await s.resume('lookup-1', { contacts: [BOB_TABLET] }), [
        { action: 'fork', targets: [{ uri: BOB_TABLET.uri, q: 0.5 }] },
      ])
    })

    test('run: done once, with its first result on replay', async () => {
      let runs = 0
      const s = session(async (call) => {
        const price = await call.run('price', () => ({ cents: ++runs, at: new Date(0) }))
        await call.wait('pickup', {}, '5s')
        call.annotate({ cents: price.cents, at: String(price.at) })
      })
      await s.start()
      assert.deepEqual(await s.resume('wait-2', event('pickup', {})), [
        { action: 'annotate', values: { cents: '1', at: '1970-01-01T00:00:00.000Z' } },
      ])
      assert.equal(runs, 1)
    })

    test('run: a failure is kept too, and undefined stays undefined', async () => {
      let runs = 0
      const s = session(async (call) => {
        const nothing = await call.run('nothing', () => void runs++)
        let caught = ''
        try {
          await call.run('fails', async () => {
            runs++
            throw new RangeError('out of stock')
          })
        } catch (error) {
          caught = `${(error as Error).name}: ${(error as Error).message}`
        }
        await call.wait('pickup', {}, '5s')
        call.annotate({ caught, nothing: typeof nothing })
      })
      await s.start()
      assert.deepEqual(await s.resume('wait-3', event('pickup', {})), [
        { action: 'annotate', values: { caught: 'RangeError: out of stock', nothing: 'undefined' } },
      ])
      assert.equal(runs, 2)
    })

    test('a handler that waits for nothing else leaves no journal behind', async () => {
      const s = session(async (call) => {
        call.annotate({ x: await call.run('x', () => 1) })
      })
      assert.deepEqual(await s.start(), [{ action: 'annotate', values: { x: '1' } }])
      assert.equal(s.context, undefined)
    })
  })

  describe('several promises at once', () => {
    test('Promise.race: the first to come wins, also on every later replay', async () => {
      const s = session(async (call) => {
        const slow = call.wait('pickup', { aor: call.aor }, '60s').then(async (picked) => {
          await null
          return `${picked?.type}`
        })
        const quick = call.wait('contact.registered', { aor: call.aor }, '60s').then((phone) => `${phone?.type}`)
        call.annotate({ won: await Promise.race([slow, quick]) })
        await call.wait('dtmf', { callId: call.id }, '60s')
        call.annotate({ done: true })
      })
      await s.start()
      const first = await s.resume('wait-1', event('pickup', {}))
      assert.deepEqual(first[0], { action: 'annotate', values: { won: 'pickup' } })
      assert.deepEqual(await s.resume('wait-2', event('contact.registered', {})), [])
      assert.deepEqual(await s.resume('wait-3', event('dtmf', {})), [{ action: 'annotate', values: { done: 'true' } }])
    })

    test('Promise.all: waits for every one of them, in whatever order they come', async () => {
      const s = session(async (call) => {
        const [a, b] = await Promise.all([call.wait('a', {}, '60s'), call.wait('b', {}, '60s')])
        call.annotate({ both: `${a?.type} ${b?.type}` })
      })
      assert.equal((await s.start()).length, 2)
      assert.deepEqual(await s.resume('wait-2', event('b', {})), [])
      assert.deepEqual(await s.resume('wait-1', event('a', {})), [{ action: 'annotate', values: { both: 'a b' } }])
    })

    test('work beside a wait is done before it suspends: a run under way is waited for', async () => {
      const s = session(async (call) => {
        const side = async () => {
          await call.run('slow', () => new Promise((resolve) => setImmediate(() => setImmediate(resolve, 1))))
          call.push(call.aor)
        }
        await Promise.all([side(), call.wait('contact.registered', { aor: call.aor }, '25s')])
        call.annotate({ done: true })
      })
      assert.deepEqual(
        (await s.start()).map(({ action }) => action),
        ['wait', 'push'],
      )
      const actions = await s.resume('wait-2', event('contact.registered', {}))
      assert.deepEqual(actions, [{ action: 'annotate', values: { done: 'true' } }])
    })

    test('other asynchronous work between two awaits is waited for', async () => {
      const s = session(async (call) => {
        for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
        await call.wait('a', {}, '60s')
        for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
        call.push(call.aor)
        await call.wait('b', {}, '60s')
        call.reply(480)
      })
      assert.deepEqual(
        (await s.start()).map(({ action }) => action),
        ['wait'],
      )
      assert.deepEqual(
        (await s.resume('wait-1', event('a', {}))).map(({ action }) => action),
        ['push', 'wait'],
      )
      assert.deepEqual(
        (await s.resume('wait-2', event('b', {}))).map(({ action }) => action),
        ['reply'],
      )
    })
  })

  describe('replay sees the world as it was', () => {
    test('contacts, branches and state are those of then; after the await those of now', async () => {
      const later: Contact[] = [{ ...BOB_TABLET, uri: 'sip:bob@192.0.2.99' }]
      const s = session(async (call) => {
        call.fork(call.contacts)
        call.annotate({ branches: call.branches.length, state: call.state })
        await call.wait('a', {}, '60s')
        call.fork(call.contacts)
        await call.wait('b', {}, '60s')
        call.annotate({ branches: call.branches.length })
      })
      await s.start()
      const now = {
        data: { contacts: later },
        transaction: {
          branches: [{ id: 'b1', uri: BOB_PHONE.uri, state: 'ringing' as const, status: 180 }],
        },
      }
      const [second] = await s.resume('wait-1', event('a', {}), now)
      assert.deepEqual(second, { action: 'fork', targets: [{ uri: 'sip:bob@192.0.2.99', q: 0.5 }] })
      const third = await s.resume('wait-2', event('b', {}), { ...now, data: { contacts: [] } })
      assert.deepEqual(third, [{ action: 'annotate', values: { branches: '1' } }])
    })

    test('call.time stays that of the first invocation', async () => {
      const s = session(async (call) => {
        await call.wait('a', {}, '60s')
        call.annotate({ at: call.time.toISOString() })
      })
      await s.start()
      assert.deepEqual(await s.resume('wait-1', event('a', {})), [
        { action: 'annotate', values: { at: '2026-01-05T10:00:00.000Z' } },
      ])
    })

    test('what a handler adds to the context it adds once, and what another one wrote meanwhile stays', async () => {
      const s = session(
        async (call) => {
          const { context } = call
          context.n = ((context.n as number) ?? 0) + 1
          await call.wait('a', {}, '60s')
          context.n = (context.n as number) + 10
          await call.wait('b', {}, '60s')
          call.annotate({ n: context.n as number })
        },
        (sip) =>
          sip.on('other', (call) => {
            call.context.n = (call.context.n as number) + 100
          }),
      )
      await s.start()
      await s.fire('other', 'x', {})
      await s.resume('wait-1', event('a', {}))
      await s.fire('other', 'x', {})
      assert.deepEqual(await s.resume('wait-2', event('b', {})), [{ action: 'annotate', values: { n: '211' } }])
      assert.deepEqual(s.context, { sdk: 1, data: { n: 211 } })
    })
  })

  describe('divergence is refused, never guessed at', () => {
    const diverged = async (s: Session) => {
      await s.start()
      const { status, body } = await s.resumeResult('wait-1', event('a', {}))
      assert.equal(status, 409)
      assert.equal((body as { title: string }).title, 'replay.diverged')
      return (body as { detail: string }).detail
    }
    /** Its first action depends on how often it ran: what a handler must not do. */
    const flickering = (first: (n: number, call: Parameters<Parameters<SipRouter['on']>[1]>[0]) => unknown) => {
      let n = 0
      return session(async (call) => {
        await first(n++, call as never)
        await call.wait('a', {}, '60s')
      })
    }

    test('another action: the detail shows both', async () => {
      const s = session(async (call) => {
        const waited = call.wait('a', {}, '60s')
        call.push(`sip:${Math.random()}@example.com`)
        await waited
      })
      const detail = await diverged(s)
      assert.match(
        detail,
        /step 2 was \{"action":"push","aor":"sip:0\..+"\} and is now \{"action":"push","aor":"sip:0\./,
      )
    })

    test('an action fewer', async () => {
      let runs = 0
      const s = session(async (call) => {
        const waited = call.wait('a', {}, '60s')
        if (runs++ === 0) call.push()
        await waited
      })
      assert.match(await diverged(s), /step 2 was \{"action":"push".* and is not there any more/)
    })

    test('an end instead of a wait', async () => {
      let runs = 0
      const s = session(async (call) => {
        if (runs++ > 0) return
        await call.wait('a', {}, '60s')
      })
      assert.match(await diverged(s), /step 1 was .*"wait".* and is not there any more/)
    })

    test('an exception on the way counts as divergence when an action has differed before', async () => {
      const s = flickering((n, call) => {
        call.push(`sip:${n}@example.com`)
        if (n > 0) throw new Error('lost')
      })
      await s.start()
      const { status } = await s.resumeResult('wait-1', event('a', {}))
      assert.equal(status, 409)
    })

    test('secrets in bodies and headers do not get into the detail', async () => {
      const s = session(async (call) => {
        const waited = call.wait('a', {}, '60s')
        call.send('MESSAGE', 'sip:carol@example.com', {
          body: `pin ${Math.random()}`,
          headers: { set: { 'X-Key': 'hunter2' } },
        })
        await waited
      })
      const detail = await diverged(s)
      assert.match(detail, /step 2 was/)
      assert.doesNotMatch(detail, /pin|hunter2/)
    })

    test('another run', async () => {
      let runs = 0
      const ran: string[] = []
      const s = session(async (call) => {
        const waited = call.wait('a', {}, '60s')
        const name = `task-${runs++}`
        await call.run(name, () => void ran.push(name))
        await waited
      })
      assert.match(await diverged(s), /step 2 was run task-0 and is now run task-1/)
      assert.deepEqual(ran, ['task-0'])
    })
  })

  describe('named handlers may wait too', () => {
    const screened = () =>
      session(
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
      )

    test('each invocation by an event has its own journal, beside the route’s', async () => {
      const s = screened()
      await s.start()
      const [first] = await s.fire('screen', 'dtmf', { digit: '1' })
      const [second] = await s.fire('screen', 'dtmf', { digit: '7' })
      const names = [first, second].map((action) => action?.action === 'wait' && [action.name, action.resume])
      assert.deepEqual(names, [
        ['screen.1:wait-1', 'screen'],
        ['screen.2:wait-1', 'screen'],
      ])
      assert.deepEqual(await s.resume('screen.2:wait-1', event('dtmf', { digit: '8' })), [
        { action: 'annotate', values: { digits: '78' } },
      ])
      assert.deepEqual(await s.resume('wait-1', event('pickup', {})), [
        { action: 'annotate', values: { route: 'resumed' } },
      ])
      assert.deepEqual(await s.resume('screen.1:wait-1', { timedOut: true }), [
        { action: 'annotate', values: { digits: '1-' } },
      ])
      assert.deepEqual(s.context, { sdk: 1 })
    })
  })

  test('a handler’s name may hold dots and colons, and may come escaped', async () => {
    const sip = new SipRouter()
    sip.on('team.a:late', async (call) => {
      await call.lookup(AOR)
      call.reply(480)
    })
    const s = new Session(way(sip))
    const [lookup] = await s.fire('team.a%3Alate', 'x', {})
    assert.deepEqual(lookup, { action: 'lookup', name: 'team.a:late.0:lookup-1', aor: AOR })
    assert.deepEqual(await s.resume('team.a:late.0:lookup-1', { contacts: [] }), [{ action: 'reply', status: 480 }])
  })

  test('what comes after the answer is lost, and the developer is told', async () => {
    const errors: Error[] = []
    const sip = new SipRouter({ onError: (error) => void errors.push(error as Error) })
    let late: Promise<void> = Promise.resolve()
    sip.invite('/:domain/:user', (call) => {
      late = new Promise((resolve) => setImmediate(resolve)).then(() => call.push())
    })
    const actions = await new Session(way(sip)).start()
    await late
    assert.deepEqual(actions, [])
    assert.match(errors[0]!.message, /push: recorded after the answer had been given/)
  })
}
