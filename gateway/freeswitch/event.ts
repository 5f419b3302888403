import { unescaped } from '../../functions/contract/settings-values.ts'
import { type Frame, type Headers, readHeaders } from './frames.ts'

/** An event of FreeSWITCH. */
export interface SwitchEvent {
  /** `DTMF`, `CHANNEL_ANSWER`, … */
  name: string
  /** Of a CUSTOM event, `conference::maintenance`; else ''. */
  subclass: string
  /** A header, by its name in upper or lower case; '' when there is none. */
  get(header: string): string
}

/** The event in a `text/event-plain` or `text/event-json`; undefined for another message, and for what cannot be read. */
export function eventIn({ headers, body }: Frame): SwitchEvent | undefined {
  const type = headers.get('content-type')
  if (type === 'text/event-plain') return named(plainHeaders(body))
  const json = type === 'text/event-json' ? jsonHeaders(body) : undefined
  return json && named(json)
}

function named(get: SwitchEvent['get']): SwitchEvent | undefined {
  const name = get('Event-Name')
  return name === '' ? undefined : { name, subclass: name === 'CUSTOM' ? get('Event-Subclass') : '', get }
}

/** Values are escaped as in a URL. What follows the empty line is a body of its own. */
function plainHeaders(body: string): SwitchEvent['get'] {
  const end = body.indexOf('\n\n')
  const headers: Headers = readHeaders(end < 0 ? body : body.slice(0, end))
  return (header) => readable(headers.get(header.toLowerCase()) ?? '')
}

function jsonHeaders(body: string): SwitchEvent['get'] | undefined {
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    return undefined
  }
  if (typeof json !== 'object' || json === null) return undefined
  const headers = new Map<string, unknown>()
  for (const [name, value] of Object.entries(json)) {
    const key = name.toLowerCase()
    if (!headers.has(key)) headers.set(key, value)
  }
  return (header) => textOf(headers.get(header.toLowerCase()))
}

/** A variable that has several values is in a list here, in plain events in one text: `ARRAY::one|:other`. */
function textOf(value: unknown): string {
  return Array.isArray(value) ? `ARRAY::${value.map(wordOf).join('|:')}` : wordOf(value)
}

function wordOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

/**
 * What is neither UTF-8 nor all escapes is read as far as it can be. Also a text without escapes is read, which copies it: a slice of the
 * event, remembered as the name of a channel, would keep the whole event in memory.
 */
function readable(text: string): string {
  const octetOf = (_: string, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))
  return unescaped(text) ?? Buffer.from(text.replaceAll(/%([0-9A-Fa-f]{2})/g, octetOf), 'latin1').toString('utf8')
}
