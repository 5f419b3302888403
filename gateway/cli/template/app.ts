import { SipRouter } from 'rouse'

const sip = new SipRouter()

// Whoever is registered rings now. A phone that sleeps is pushed; it joins the ringing call when it registers.
sip.invite('/:domain/:user', (call) => {
  call.subscribe('contact.registered', { aor: call.aor }, 'late-fork', { for: '30s' })
  call.push(call.aor)
  call.fork(call.contacts)
  call.halt('30s') // keeps the call open for phones that come late
})
sip.on('late-fork', (call, event) => call.fork(event.contact))

export default sip
