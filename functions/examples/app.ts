import { SipRouter, type SipRouterOptions } from 'rouse'
import { allowPickup, callPickup } from './call-pickup.ts'
import { screenByDigit } from './dtmf-screening.ts'
import { type LinearOptions, ringThenWake } from './linear.ts'
import { wakeAndRing } from './push-wake-up.ts'

/** Durations of the default app; tests shorten them. */
export interface AppOptions extends LinearOptions {
  /** How long a MESSAGE waits for a phone to wake, default 15 s: its sender gives up after 32 s. */
  messageFor?: string
  /** How it is served: signatures, store. */
  router?: SipRouterOptions
}

/**
 * What runs when nothing else was named. Every user of the router's domains may register and be called, with the push wake-up.
 *
 * - `*8<user>` picks up the call that rings at that user
 * - `*43` and `*43<user>` show the linear form: ring, push and wait, then 480
 * - users whose name begins with `screen-` are DTMF-screened: a digit other than 2 hangs up
 */
export function createApp({ messageFor = '15s', wakeFor = '30s', router, ...linear }: AppOptions = {}): SipRouter {
  const sip = new SipRouter(router)
  callPickup(sip)
  sip.invite('/:domain/:user{\\*43.*}', (call) => {
    if (!call.isLocal) return call.reply(404)
    const user = call.user.slice('*43'.length)
    return ringThenWake(call, { wakeFor, ...linear, ...(user ? { aor: `sip:${user}@${call.domain}` } : {}) })
  })
  screenByDigit(sip, '/:domain/:user{screen-.+}')
  sip.invite('/:domain/:user', (call) => {
    if (!call.isLocal) return call.reply(404)
    allowPickup(call)
    wakeAndRing(call, wakeFor)
  })
  sip.message('/:domain/:user', (call) => {
    if (!call.isLocal) return call.reply(404)
    wakeAndRing(call, messageFor)
  })
  sip.on('late-fork', (call, event) => call.fork(event.contact))
  return sip
}

export default createApp()
