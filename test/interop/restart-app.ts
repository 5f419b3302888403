import { SipRouter } from 'rouse'
import { wakeAndRing } from '../../functions/examples/push-wake-up.ts'

/** The push wake-up, for phones that come soon and, under names that begin with `short-`, for no longer than 4 s. */
const sip = new SipRouter()
sip.invite('/:domain/:user{short-.+}', (call) => wakeAndRing(call, '4s'))
sip.invite('/:domain/:user', (call) => wakeAndRing(call, '60s'))
sip.on('late-fork', (call, event) => call.fork(event.contact))
export default sip
