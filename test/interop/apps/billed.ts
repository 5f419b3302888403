import { SipRouter } from 'rouse'

/** Who calls pays: the user of From is the account. */
const sip = new SipRouter()

sip.invite('/:domain/:user', async (call) => {
  const auth = await call.authorize({ account: call.from.user })
  if (!auth.authorized) return call.reply(auth.code, auth.reason)
  call.fork(call.contacts)
})

export default sip
