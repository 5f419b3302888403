import { fork, fromEvent } from '../../../functions/sdk/index.ts'
import { AOR, BOB_PHONE, BOB_TABLET } from '../invocations.ts'
import { invites, type Room } from './case.ts'

const FORK_OPTIONS = {
  mode: 'sequential' as const,
  ringFor: '20s',
  noReplyFor: 2000,
  headers: { remove: ['P-Old'], set: { 'X-New': '1' }, add: [['X-Two', '2'] as [string, string]] },
  retryOn: [486],
  finalOn: [603],
  id: 'desk',
  onFailed: 'failed',
}

export const verbs: Room = {
  title: 'verbs record actions, in order',
  cases: [
    {
      title: 'fork: contacts become targets with their q',
      app: invites((call) => call.fork(call.contacts)),
      async check({ s }, assert) {
        const contacts = [BOB_PHONE, BOB_TABLET]
        const targets = [
          { uri: BOB_PHONE.uri, q: 1 },
          { uri: BOB_TABLET.uri, q: 0.5 },
        ]
        assert.deepEqual(await s.start({ data: { contacts } }), [{ action: 'fork', targets }])
      },
    },
    {
      title: 'fork: a URI, a target of another AOR, and every option',
      app: invites((call) => {
        call.fork('sip:a@192.0.2.9')
        call.fork([{ uri: 'sip:b@192.0.2.9', q: 0.3, aor: 'sip:b@example.com' }], FORK_OPTIONS)
      }),
      async check({ s }, assert) {
        const targets = [{ uri: 'sip:b@192.0.2.9', q: 0.3, aor: 'sip:b@example.com' }]
        assert.deepEqual(await s.start(), [
          { action: 'fork', targets: ['sip:a@192.0.2.9'] },
          { action: 'fork', targets, ...FORK_OPTIONS },
        ])
      },
    },
    {
      title: 'reply, redirect, challenge',
      app: invites((call) => {
        call.reply(486)
        call.reply(200, 'OK', { contentType: 'text/plain', body: 'hello', headers: { set: { 'X-A': 'b' } } })
        call.redirect('sip:carol@example.com')
        call.redirect(['sip:carol@example.com'], 301)
        call.challenge('example.com', { algorithms: ['SHA-256'], stale: true })
      }),
      async check({ s }, assert) {
        const headers = { set: { 'X-A': 'b' } }
        assert.deepEqual(await s.start(), [
          { action: 'reply', status: 486 },
          { action: 'reply', status: 200, reason: 'OK', contentType: 'text/plain', body: 'hello', headers },
          { action: 'redirect', targets: ['sip:carol@example.com'] },
          { action: 'redirect', targets: ['sip:carol@example.com'], status: 301 },
          { action: 'challenge', realm: 'example.com', proxy: true, algorithms: ['SHA-256'], stale: true },
        ])
      },
    },
    {
      title: 'save, remove, cancel, halt',
      app: invites((call) => {
        call.save({ maxContacts: 3 })
        call.remove(AOR)
        call.remove(AOR, 'sip:bob@192.0.2.7')
        call.cancel()
        call.cancel({ fork: 'desk', reason: 'Elsewhere' })
        call.halt('30s')
      }),
      async check({ s }, assert) {
        assert.deepEqual(await s.start(), [
          { action: 'save', maxContacts: 3 },
          { action: 'remove', aor: AOR },
          { action: 'remove', aor: AOR, contact: 'sip:bob@192.0.2.7' },
          { action: 'cancel' },
          { action: 'cancel', fork: 'desk', reason: 'Elsewhere' },
          { action: 'halt', for: '30s' },
        ])
      },
    },
    {
      title: 'subscribe with a handler, and with a reaction that needs no invocation',
      app: invites((call) => {
        const options = { for: '30s', name: 'late', until: 'answered' } as const
        call.subscribe('contact.registered', { aor: call.aor }, 'late-fork', options)
        call.subscribe('contact.registered', { aor: call.aor }, [fork(fromEvent('contact'))])
        call.unsubscribe('late')
        call.unsubscribe()
      }),
      async check({ s }, assert) {
        const subscribe = { action: 'subscribe', event: 'contact.registered', filter: { aor: AOR } }
        assert.deepEqual(await s.start(), [
          { ...subscribe, handler: 'late-fork', for: '30s', name: 'late', until: 'answered' },
          { ...subscribe, actions: [{ action: 'fork', targets: [{ fromEvent: 'contact' }] }] },
          { action: 'unsubscribe', name: 'late' },
          { action: 'unsubscribe' },
        ])
      },
    },
    {
      title: 'publish, push, hangup, send, annotate',
      app: invites((call) => {
        call.publish('pickup', { by: 'carol', ext: 7, nothing: undefined as unknown as string })
        call.push()
        call.push('sip:carol@example.com', { why: 'call' })
        call.hangup('fax', { status: 603 })
        call.hangup('fax', { via: 'freeswitch', cause: 'USER_BUSY' })
        call.send('MESSAGE', 'sip:carol@example.com', { from: AOR, contentType: 'text/plain', body: 'missed call' })
        call.annotate({ tenant: 'acme', tries: 2, vip: true })
      }),
      async check({ s }, assert) {
        const message = { from: AOR, contentType: 'text/plain', body: 'missed call' }
        assert.deepEqual(await s.start(), [
          { action: 'publish', type: 'pickup', attributes: { by: 'carol', ext: 7 } },
          { action: 'push', aor: AOR },
          { action: 'push', aor: 'sip:carol@example.com', data: { why: 'call' } },
          { action: 'hangup', reason: 'fax', status: 603 },
          { action: 'hangup', reason: 'fax', via: 'freeswitch', cause: 'USER_BUSY' },
          { action: 'send', method: 'MESSAGE', target: 'sip:carol@example.com', ...message },
          { action: 'annotate', values: { tenant: 'acme', tries: '2', vip: 'true' } },
        ])
      },
    },
    {
      title: 'a handler that does nothing answers no actions',
      app: invites(() => {}),
      async check({ s }, assert) {
        assert.deepEqual(await s.start(), [])
      },
    },
  ],
}
