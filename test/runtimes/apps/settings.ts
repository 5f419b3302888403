import { SipRouter } from '../../../functions/sdk/index.ts'

/** Reads its secret where every program does. */
const sip = new SipRouter({ secret: process.env.WEBHOOK_SECRET })
sip.invite('/:domain/:user', (call) => call.reply(486))
export default sip
