import { SipRouter } from '../../../functions/sdk/index.ts'

/** Job `relay`: every callee's registered contacts ring. What a router does all day, in one line. */

const sip = new SipRouter()

sip.invite('/:domain/:user', (call) => {
  call.fork(call.contacts)
})

export default sip
