import { type Call, SipRouter } from 'rouse'

/** Whoever answers has to press 2: any other digit, which FreeSWITCH hears, ends the call there. */
const sip = new SipRouter()
// held until FreeSWITCH has heard a digit
sip.invite('/:domain/held', (async (call: Call) => {
  call.subscribe('dtmf', { callId: call.id, source: 'esl' }, 'counted', { until: 'ended' })
  const digit = await call.wait('dtmf', { callId: call.id, source: 'esl' }, '20s')
  if (!digit) return call.reply(480)
  call.annotate({ digit: digit.digit ?? '', duration: digit.attributes.duration ?? '' })
  call.fork('sip:bob@example.com')
}) as (call: unknown) => Promise<void>)
sip.invite('/:domain/:user', (call) => {
  call.subscribe('dtmf', { callId: call.id }, 'screen')
  call.subscribe('freeswitch.channel_answer', { callId: call.id }, 'noted', { until: 'ended' })
  call.fork(call.contacts)
})
sip.on('screen', (call, event) => {
  if (event.digit !== '2') call.hangup('fax', { via: 'freeswitch', cause: 'CALL_REJECTED' })
})
sip.on('counted', () => {})
sip.on('noted', (call, event) => call.annotate({ channel: event.uuid ?? '' }))

export default sip
