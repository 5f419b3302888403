import { type Call, SipRouter } from 'rouse'

/** Dialled before the name of the user whose ringing call is to be picked up: `*8bob`. */
const PICKUP_CODE = '*8'

/**
 * Call pick-up. Whoever dials the code raises an event and hears 480; the call that rings at that user takes note: it leaves the user's
 * phones and comes to the phone that dialled.
 */
export function callPickup(sip: SipRouter): void {
  sip.invite('/:domain/:code{\\*8.+}', (call) => {
    if (!call.isLocal) return call.reply(404)
    const user = call.user.slice(PICKUP_CODE.length)
    call.publish('pickup', { aor: `sip:${user}@${call.domain}`, contact: call.request.contact, by: call.from.aor })
    call.reply(480, 'The call comes to you')
  })
  sip.on('picked-up', (call, event) => {
    call.unsubscribe('late-fork')
    call.cancel({ reason: 'Picked up' })
    call.fork({ uri: event.contact, aor: event.by })
    call.halt(0) // nobody else is waited for any more
  })
}

/** For a call that may be picked up: to be said before it rings. */
export function allowPickup(call: Call): void {
  call.subscribe('pickup', { aor: call.aor }, 'picked-up', { name: 'pickup' })
}

const sip = new SipRouter()
callPickup(sip)
sip.invite('/:domain/:user', (call) => {
  allowPickup(call)
  call.fork(call.contacts)
})
export default sip
