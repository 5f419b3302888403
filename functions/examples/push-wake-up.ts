import { type Call, SipRouter } from 'rouse'

export interface PushWakeUpOptions {
  /** How long the caller waits for a phone to wake, default 30 s. */
  wakeFor?: string
}

/**
 * Push wake-up: what is registered rings now, a sleeping phone joins when it registers. The subscription is stored before the push goes
 * out, so that even the quickest phone is not missed.
 */
export function pushWakeUp(sip: SipRouter, { wakeFor = '30s' }: PushWakeUpOptions = {}): void {
  sip.invite('/:domain/:user', (call) => wakeAndRing(call, wakeFor))
  sip.on('late-fork', (call, event) => call.fork(event.contact))
}

/** Rings the registered contacts of the callee, wakes the others, and keeps the call open for those who can still come. */
export function wakeAndRing(call: Call, wakeFor: string): void {
  call.subscribe('contact.registered', { aor: call.aor }, 'late-fork', { for: wakeFor, name: 'late-fork' })
  call.push(call.aor)
  call.fork(call.contacts)
  if (call.contacts.length === 0 || call.contacts.some(({ push }) => push)) call.halt(wakeFor)
}

const sip = new SipRouter()
pushWakeUp(sip)
export default sip
