import { SipRouter } from 'rouse'
import { createStore } from 'rouse/store'

/** Longer than a look-up takes on a busy machine. */
const LOOKUP_MS = 2000

interface Env {
  UPSTASH_REDIS_REST_URL?: string
  UPSTASH_REDIS_REST_TOKEN?: string
}

/** A shop: a call waits until its order is paid, joins who picks it up, or rings where somebody else is registered. */
const sip = new SipRouter<{ env: Env }>({
  store: ({ UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token }) =>
    url === undefined ? undefined : createStore({ url, token, lookupMs: LOOKUP_MS }),
})
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
