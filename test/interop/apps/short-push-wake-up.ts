import { SipRouter } from 'rouse'
import { pushWakeUp } from '../../../functions/examples/push-wake-up.ts'

/** The shipped example with a deadline that a test can wait for. */
const sip = new SipRouter()
pushWakeUp(sip, { wakeFor: '5s' })
export default sip
