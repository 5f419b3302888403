import { type Call, SipRouter } from 'rouse'

/** Media of every call by way of an rtpengine; a digit other than 2 hangs up both ends, wherever it was pressed. */
const sip = new SipRouter()
sip.invite('/:domain/:user{secure-.+}', (call: Call) => {
  call.fork(call.contacts, { media: { engine: 'rtpengine', transport: 'RTP/SAVP' } })
})
sip.invite('/:domain/:user', (call: Call) => {
  call.subscribe('dtmf', { callId: call.id }, 'screen')
  call.fork(call.contacts, { media: 'rtpengine' })
})
sip.on('screen', (call, event) => {
  if (event.digit !== '2') call.hangup('not the digit asked for')
})
export default sip
