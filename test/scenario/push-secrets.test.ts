import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, SipRouter } from 'rouse'
import { createMemoryStore } from '../../functions/store/memory.ts'
import { shownRegistration } from '../../gateway/api/shown.ts'
import { messageLabel } from '../../gateway/observe/ladder.ts'
import { createLog } from '../../gateway/observe/log.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { watched } from '../support/hep-collector.ts'
import type { WireMessage } from '../support/wire.ts'
import { world } from '../support/world.ts'
import { registeredLongAgo } from './cast.ts'

/** What each phone puts into every Contact it writes, as some do; each value is to be found nowhere but at its registrar and its provider. */
const PHONES: Record<string, string> = {
  linphone:
    'pn-provider=fcm;pn-param=SECRET-project;pn-prid=SECRET-fcm%3AAPA91b;pn-timeout=SECRET0;pn-silent=SECRET1;transport=udp',
  'linphone on iOS':
    'pn-prid=SECRET-64ff%3Avoip&SECRET-a1%3Aremote;pn-provider=apns.dev;pn-param=SECRET.org.linphone.phone.voip&remote;pn-msg-str=SECRET_IM;pn-call-str=SECRET_IC;pn-groupchat-str=SECRET_GC;pn-call-snd=SECRET.caf;pn-msg-snd=SECRET.wav;pn-call-remote-push-interval=SECRET5',
  'before RFC 8599': 'app-id=org.example;pn-type=SECRET-google;pn-tok=SECRET-token',
  'web push': 'pn-provider=webpush;pn-prid=https%3A%2F%2Fpush.example%2FSECRET',
  'in capitals': 'PN-PROVIDER=fcm;PN-PRID=SECRET;Pn-Param=SECRET',
}

const labelled = ({ isRequest, method, uri, status }: WireMessage) => ({ isRequest, method, uri, status })

for (const [phone, parameters] of Object.entries(PHONES))
  test(`what ${phone} is pushed by gets to nobody: far end, function, event, log, API, Homer (RFC 8599 4.1, 10)`, async () => {
    const lines: string[] = []
    const events: string[] = []
    const app = new SipRouter()
      .invite('/:domain/:user', ((call: Call) => {
        call.push(call.aor)
        call.fork(call.contacts)
      }) as (call: unknown) => void)
      .message('/:domain/:user', ((call: Call) => call.fork(call.contacts)) as (call: unknown) => void)
    const clock = new FakeClock()
    const { hep, packets } = watched(clock)
    const w = await world({
      app,
      clock,
      taps: [hep],
      watchers: [hep],
      log: createLog('debug', { write: (line) => void lines.push(line) }),
      store: (clock, ids) => {
        const store = createMemoryStore({ clock, ids })
        const { publish } = store
        store.publish = (published) => {
          events.push(JSON.stringify(published))
          return publish.call(store, published)
        }
        return store
      },
    })
    const alice = await w.phone('alice')
    const bob = await w.phone('bob', { contactParams: parameters, instance: 'urn:uuid:bob' })
    bob.dialogParams = parameters
    await bob.registers()
    await alice.registers()
    const isPushed = (await w.store.lookup(bob.aor)).bindings[0]!.push !== undefined
    const refer: [string, string][] = [
      ['Refer-To', `<sip:carol@10.0.0.9;${parameters}?Replaces=1>`],
      ['Referred-By', `<sip:bob@10.0.0.9;${parameters}>`],
    ]

    await bob.invites('alice')
    await alice.answers()
    await bob.sendsInDialog('INVITE')
    await alice.answers()
    await bob.sendsInDialog('UPDATE')
    await bob.sendsInDialog('REFER', { headers: refer })
    await alice.sendsInDialog('INFO')
    await bob.hangsUp()
    await registeredLongAgo(w)
    await alice.invites('bob')
    await w.advance(100)
    await bob.answers()
    await bob.sendsInDialog('NOTIFY', { headers: [['Event', 'refer']] })
    await alice.hangsUp()
    await bob.messages('alice', 'Hello')
    await bob.requests('SUBSCRIBE', 'sip:alice@example.com', { headers: [['Event', 'presence']] })
    const farEnd = alice.received.map(({ text }) => text)
    // One that writes them itself knows them.
    await alice.invites('bob', { uri: `sip:bob@example.com;${parameters}` })
    await bob.declines(302)
    await w.advance(100)

    const shown = (await w.gateway.registration(bob.aor)).map((binding) => shownRegistration(binding, w.clock.now()))
    const outputs = {
      'the far end': farEnd,
      functions: w.invocations.map((invocation) => JSON.stringify(invocation)),
      events,
      log: lines,
      'HEP': packets().map(({ payload }) => payload),
      '/registrations': [JSON.stringify(shown)],
      '/calls': w.gateway.calls.list(20).map((one) => JSON.stringify([one, w.gateway.calls.get(one.id)])),
      ladders: [...alice.sent, ...bob.sent].map((message) => messageLabel({ ...labelled(message), reason: '' })),
    }
    for (const [where, texts] of Object.entries(outputs)) {
      assert.ok(texts.length > 0, where)
      const leaks = texts.filter((text) => text.includes('SECRET'))
      // The name of a parameter may stay where its value is blotted out.
      assert.deepEqual(leaks, [], `${where} has it`)
    }
    assert.equal(w.pushes.length > 0, isPushed)
    if (isPushed) assert.ok(w.pushes.every(({ prid }) => prid.includes('SECRET')))
    await w.assertQuiet()
    await w.stop()
  })
