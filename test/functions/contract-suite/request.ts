import type { CallEvent } from '../../../functions/sdk/index.ts'
import { AOR } from '../invocations.ts'
import { invites, type Room } from './case.ts'

export const request: Room = {
  title: 'a call tells the request',
  cases: [
    {
      title: 'addresses, path parameters, headers in long and compact form, where it came from',
      app: (sip, note) =>
        sip.invite('/:domain/:user', (call) =>
          note({
            id: call.id,
            callId: call.callId,
            method: call.method,
            uri: call.uri,
            aor: call.aor,
            user: call.user,
            domain: call.domain,
            param: call.param('user'),
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
          }),
        ),
      async check({ s, told }, assert) {
        await s.start({ request: { body: 'v=0', uri: 'sip:bob@Example.com;transport=tcp', isLocal: false } })
        assert.deepEqual((await told()).notes, [
          {
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
          },
        ])
      },
    },
    {
      title: 'context is kept from handler to handler',
      app: invites(
        (call) => {
          call.context.tries = 1
          call.subscribe('dtmf', { callId: call.id }, 'digit')
        },
        (sip) =>
          sip.on('digit', (call, event: CallEvent) => {
            const digits = (call.context.digits as string[] | undefined) ?? []
            call.context.digits = [...digits, event.digit]
          }),
      ),
      async check({ s }, assert) {
        await s.start()
        await s.fire('digit', 'dtmf', { callId: 'call-1@alice', digit: '2' })
        await s.fire('digit', 'dtmf', { callId: 'call-1@alice', digit: '3' })
        assert.deepEqual((s.context as { data: unknown }).data, { tries: 1, digits: ['2', '3'] })
      },
    },
    {
      title: 'context that JSON changes is the same both ways: dates become text, undefined goes',
      app: invites((call) => {
        Object.assign(call.context, { at: new Date(0), gone: undefined })
      }),
      async check({ s }, assert) {
        await s.start()
        assert.deepEqual((s.context as { data: unknown }).data, { at: '1970-01-01T00:00:00.000Z' })
      },
    },
  ],
}
