import { type Attributes, EventType } from '../../functions/contract/events.ts'
import { type Frame, readHeaders } from './frames.ts'

/** An event of FreeSWITCH. */
export interface SwitchEvent {
  /** `DTMF`, `CHANNEL_ANSWER`, … */
  name: string
  /** Of a CUSTOM event, `conference::maintenance`; else ''. */
  subclass: string
  /** A header, or '' when there is none. */
  get(header: string): string
}

/** Characters of an attribute at most. */
const MAX_VALUE = 4096
/** FreeSWITCH counts how long a digit is pressed in samples at 8 kHz. */
const SAMPLES_PER_MS = 8

/** The event in a `text/event-plain` or `text/event-json`; undefined for another message, and for what cannot be read. */
export function eventIn({ headers, body }: Frame): SwitchEvent | undefined {
  const type = headers.get('Content-Type')
  if (type === 'text/event-plain') return plainEvent(body)
  return type === 'text/event-json' ? jsonEvent(body) : undefined
}

/** Values are escaped as in a URL. What follows the empty line is a body of its own. */
function plainEvent(body: string): SwitchEvent | undefined {
  const end = body.indexOf('\n\n')
  const headers = readHeaders(end < 0 ? body : body.slice(0, end))
  return named((header) => unescaped(headers.get(header) ?? ''))
}

function jsonEvent(body: string): SwitchEvent | undefined {
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    return undefined
  }
  if (typeof json !== 'object' || json === null) return undefined
  const headers = json as Record<string, unknown>
  return named((header) => {
    const value = Object.hasOwn(headers, header) ? headers[header] : undefined
    return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  })
}

function named(get: (header: string) => string): SwitchEvent | undefined {
  const name = get('Event-Name')
  return name === '' ? undefined : { name, subclass: name === 'CUSTOM' ? get('Event-Subclass') : '', get }
}

function unescaped(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/**
 * What an event is here: a digit is a `dtmf`, anything else `freeswitch.` and its name, `freeswitch.custom.` and its subclass.
 * @param callId of the SIP call that its channel is a leg of; '' when that is not known
 * @param more   headers that are attributes, too
 * @returns undefined for what has no such name
 */
export function eventOf(
  event: SwitchEvent,
  callId: string,
  more: readonly string[],
): { type: string; attributes: Attributes } | undefined {
  if (event.name === 'DTMF') return digitOf(event, callId)
  const name = event.name === 'CUSTOM' ? `custom.${event.subclass}` : event.name
  const type = `freeswitch.${name
    .toLowerCase()
    .replaceAll('::', '.')
    .replaceAll(/[^a-z0-9_.-]/g, '_')}`
  if (!EventType.safeParse(type).success) return undefined
  const attributes: Attributes = {}
  const add = (attribute: string, value: string) => {
    if (value !== '') attributes[attribute] = cleaned(value)
  }
  add('callId', callId)
  add('uuid', event.get('Unique-ID'))
  add('direction', event.get('Call-Direction'))
  add('caller', event.get('Caller-Caller-ID-Number'))
  add('callee', event.get('Caller-Destination-Number'))
  add('cause', event.get('Hangup-Cause'))
  for (const header of more) add(header, event.get(header))
  return { type, attributes }
}

const DIGIT = /^[0-9*#A-D]$/

function digitOf(event: SwitchEvent, callId: string): { type: string; attributes: Attributes } | undefined {
  const digit = event.get('DTMF-Digit').toUpperCase()
  if (!DIGIT.test(digit) || callId === '') return undefined
  const samples = Number(event.get('DTMF-Duration'))
  const duration = Number.isFinite(samples) && samples > 0 ? Math.round(samples / SAMPLES_PER_MS) : 0
  return { type: 'dtmf', attributes: { callId, digit, duration, source: 'esl' } }
}

function cleaned(value: string): string {
  return value.replaceAll(/[\u0000-\u001f\u007f]/g, ' ').slice(0, MAX_VALUE)
}
