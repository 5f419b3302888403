import { SipRouter } from 'rouse'

/** What the suite for functions in any language expects, with the SDK. */
const sip = new SipRouter({ secret: process.env.WEBHOOK_SECRET, onError: () => {} })

sip.invite('/:domain/:user{\\*43.+}', async (call) => {
  const aor = call.aor.replace(':*43', ':')
  const registered = call.wait('contact.registered', { aor }, '30s')
  call.push(aor)
  const phone = await registered
  if (phone) call.fork({ uri: phone.contact, aor })
  else call.reply(480)
})

sip.invite('/:domain/:user', (call) => {
  call.subscribe('contact.registered', { aor: call.aor }, 'late-fork', { for: '30s' })
  call.push(call.aor)
  call.fork(call.contacts)
  if (call.contacts.length === 0 || call.contacts.some(({ push }) => push)) call.halt('30s')
})
sip.on('late-fork', (call, event) => call.fork(event.contact))

export default sip
