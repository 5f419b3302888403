import { fork, fromEvent, SipRouter } from '../../../functions/sdk/index.ts'

/**
 * Jobs `wake`, `crowd` and `memory`: callees that are not registered yet. The user's name says how the call waits:
 * `inline-…` with a reaction that needs no invocation, `named-…` with a handler, `other-…` as `inline` but for long,
 * `crowd-…` for one event that wakes all of them. Anybody else is relayed.
 */

const sip = new SipRouter()

sip.invite('/:domain/:user{inline-.+}', (call) => {
  call.subscribe('contact.registered', { aor: call.aor }, [fork(fromEvent('contact'))], { for: '30s' })
  call.halt('30s')
})

sip.invite('/:domain/:user{named-.+}', (call) => {
  call.subscribe('contact.registered', { aor: call.aor }, 'late-fork', { for: '30s' })
  call.halt('30s')
})
sip.on('late-fork', (call, event) => {
  call.fork(event.contact)
})

sip.invite('/:domain/:user{other-.+}', (call) => {
  call.subscribe('contact.registered', { aor: call.aor }, [fork(fromEvent('contact'))], { for: '15m' })
  call.halt('15m')
})

sip.invite('/:domain/:user{crowd-.+}', (call) => {
  call.subscribe('bench.opened', { gate: 'north' }, [fork(fromEvent('callee'))], { for: '15m' })
  call.halt('15m')
})

sip.invite('/:domain/:user', (call) => {
  call.fork(call.contacts)
})

export default sip
