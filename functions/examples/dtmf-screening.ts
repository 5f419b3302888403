import { type Call, SipRouter } from 'rouse'

/**
 * DTMF screening: whoever answers has to press 2; any other digit hangs up both ends. Digits come by SIP INFO, and in the audio (RFC 4733)
 * where the gateway has an rtpengine; without one the media goes directly.
 */
export function screenByDigit(sip: SipRouter, path: string): void {
  sip.invite(path, (call: Call) => {
    if (!call.isLocal) return call.reply(404)
    call.subscribe('dtmf', { callId: call.id }, 'screen')
    call.fork(call.contacts, { media: { engine: 'rtpengine', ifAway: 'pass' } })
  })
  sip.on('screen', (call, event) => {
    if (event.digit !== '2') call.hangup('not the digit asked for')
  })
}

const sip = new SipRouter()
screenByDigit(sip, '/:domain/:user')
export default sip
