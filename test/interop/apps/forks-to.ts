import { SipRouter } from 'rouse'

/** Sends every call to the phone that `FORKS_TO` names. */
const sip = new SipRouter<{ env: { FORKS_TO: string } }>()
sip.invite('/:domain/:user', (call) => call.fork(call.env.FORKS_TO))
export default sip
