import { setTimeout as sleep } from 'node:timers/promises'
import { SipRouter } from 'rouse'

/** Whoever is called rings at `FORKS_TO`, after `THINKS_MS`. */
const sip = new SipRouter()

sip.invite('/:domain/:user', async (call) => {
  await sleep(Number(process.env.THINKS_MS))
  call.fork(`sip:${call.param('user')}@${process.env.FORKS_TO}`)
})

export default sip
