import { SipRouter } from 'rouse'
import { ringThenWake } from '../../../functions/examples/linear.ts'

/** The shipped example with times that a test can wait for; `VOICEMAIL` is where a call goes that nobody takes. */
const { VOICEMAIL: voicemail } = process.env
const sip = new SipRouter()
sip.invite('/:domain/:user', (call) =>
  ringThenWake(call, { ringFor: '1s', wakeFor: '3s', ...(voicemail ? { voicemail } : {}) }),
)
export default sip
