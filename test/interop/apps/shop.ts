import { SipRouter } from 'rouse'
import { storeFromEnv } from 'rouse/store'

/** A shop: a call waits until its order is paid, joins who picks it up, or rings where somebody else is registered. */
const sip = new SipRouter<{ env: unknown }>({ store: storeFromEnv })
sip.invite('/:domain/:user{order-.+}', async (call) => {
  const paid = await call.wait('payment.confirmed', { order: call.user }, '30s')
  if (!paid) return call.reply(480)
  call.fork(call.contacts)
})
sip.invite('/:domain/:user{hall-.+}', (call) => {
  call.subscribe('pickup', { call: call.user }, 'picked-up', { for: '30s' })
  call.halt('30s')
})
sip.on('picked-up', (call, event) => call.fork(event.contact))
sip.invite('/:domain/:user{for-.+}', async (call) => {
  call.fork(await call.lookup(`sip:${call.user.slice('for-'.length)}@${call.domain}`))
})
export default sip
