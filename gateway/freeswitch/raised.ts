import { type Attributes, EventType, MAX_EVENT_OCTETS } from '../../functions/contract/events.ts'
import type { SwitchEvent } from './event.ts'

/** What an event of FreeSWITCH is here. */

/** Characters of an attribute, and of all attributes of an event, at most; a character has up to four octets. */
const MAX_VALUE = 4096
const MAX_VALUES = MAX_EVENT_OCTETS / 4
/** FreeSWITCH counts how long a digit is pressed in samples at 8 kHz. */
const SAMPLES_PER_MS = 8
const DIGIT = /^[0-9*#A-D]$/

/** Attributes, and the headers that they are from. */
const ATTRIBUTES = {
  uuid: 'Unique-ID',
  direction: 'Call-Direction',
  caller: 'Caller-Caller-ID-Number',
  callee: 'Caller-Destination-Number',
  state: 'Answer-State',
  cause: 'Hangup-Cause',
  sipStatus: 'variable_sip_term_status',
} as const

/**
 * A digit is a `dtmf`, anything else `freeswitch.` and its name, `freeswitch.custom.` and its subclass.
 * @param callId of the SIP call that its channel is a leg of; '' when that is not known
 * @param more   headers that are attributes, too
 * @returns undefined for what has no such name, and for a digit that is none or of no call
 */
export function eventOf(
  event: SwitchEvent,
  callId: string,
  more: readonly string[],
): { type: string; attributes: Attributes } | undefined {
  if (event.name === 'DTMF') return digitOf(event, callId)
  const type = typeOf(event)
  if (!EventType.safeParse(type).success) return undefined
  const attributes: Attributes = {}
  let room = MAX_VALUES
  const add = (attribute: string, value: string) => {
    if (value === '' || room === 0) return
    const kept = cleaned(value).slice(0, room)
    room -= kept.length
    attributes[attribute] = kept
  }
  add('callId', callId)
  for (const [attribute, header] of Object.entries(ATTRIBUTES)) add(attribute, event.get(header))
  for (const header of more) add(header, event.get(header))
  return { type, attributes }
}

/** `freeswitch.channel_answer`, `freeswitch.custom.conference.maintenance` */
function typeOf({ name, subclass }: SwitchEvent): string {
  const whole = name === 'CUSTOM' ? `custom.${subclass}` : name
  const plain = whole
    .toLowerCase()
    .replaceAll('::', '.')
    .replaceAll(/[^a-z0-9_.-]/g, '_')
  return `freeswitch.${plain}`
}

function digitOf(event: SwitchEvent, callId: string): { type: string; attributes: Attributes } | undefined {
  const digit = event.get('DTMF-Digit').toUpperCase()
  if (!DIGIT.test(digit) || callId === '') return undefined
  const samples = Number(event.get('DTMF-Duration'))
  const duration = Number.isFinite(samples) && samples > 0 ? Math.round(samples / SAMPLES_PER_MS) : 0
  return { type: 'dtmf', attributes: { callId: cleaned(callId), digit, duration, source: 'esl' } }
}

/**
 * The same at every gateway that hears the event, so that no wait and no subscription acts on it twice.
 * @returns undefined when the event does not say which one it is
 */
export function eventId(event: SwitchEvent): string | undefined {
  const core = event.get('Core-UUID')
  const sequence = event.get('Event-Sequence')
  return /^[\w-]{1,64}$/.test(core) && /^\d{1,20}$/.test(sequence) ? `freeswitch-${core}-${sequence}` : undefined
}

function cleaned(value: string): string {
  return value.replaceAll(/[\u0000-\u001f\u007f]/g, ' ').slice(0, MAX_VALUE)
}
