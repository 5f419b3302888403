import { type Call, SipRouter } from 'rouse'

export interface LinearOptions {
  /** Whose phones ring; default those of the user that was called. */
  aor?: string
  /** How long the desk phone rings, default 15 s. */
  ringFor?: string
  /** How long the caller waits for a phone to wake, default 25 s. */
  wakeFor?: string
  /** Where a call goes that nobody takes; without it the caller hears 480. */
  voicemail?: string
}

/**
 * Wait, resume and time out as linear code: ring the desk, then push and wait, then voicemail. No function runs while the call waits;
 * it may go on in another process, or after a restart.
 */
export async function ringThenWake(call: Call, options: LinearOptions = {}): Promise<void> {
  const { aor = call.aor, ringFor = '15s', wakeFor = '25s', voicemail } = options
  const desk = await call.ring(aor === call.aor ? call.contacts : aor, { for: ringFor })
  if (desk.answered) return
  const registered = call.wait('contact.registered', { aor }, wakeFor) // armed here, before the push
  call.push(aor)
  const phone = await registered // suspends here
  if (phone) call.fork({ uri: phone.contact, aor })
  else if (voicemail) call.fork(voicemail)
  else call.reply(480)
}

const sip = new SipRouter()
sip.invite('/:domain/:user', (call) => ringThenWake(call, { voicemail: 'sip:voicemail@media.example.com' }))
export default sip
