import type { Result } from '../../functions/contract/problem.ts'
import { binaryEvent, structuredEvent } from '../../functions/ingress/cloud-event.ts'
import { eventOfJson } from '../../functions/ingress/event-body.ts'
import { type EventDefaults, invalid, isEventId, type Posted } from '../../functions/ingress/posted-event.ts'

/** What of a message counts. Its properties are as the sender has written them, and not to be trusted. */
export interface IncomingMessage {
  content: Buffer
  contentType: unknown
  messageId: unknown
  headers: Readonly<Record<string, unknown>>
}

/** Octets of a message at most. */
const MAX_OCTETS = 1_048_576
const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * The event in a message: a CloudEvent 1.0, structured or binary (AMQP binding 3: headers `cloudEvents:…` or `cloudEvents_…`), or `{ type,
 * attributes }`. A plain one is known by the message's id: what is delivered again is the same event.
 */
export function eventOf(
  message: IncomingMessage,
  queue: string,
  { now, newId }: Omit<EventDefaults, 'requestId'>,
): Result<Posted> {
  const { content, headers, contentType, messageId } = message
  if (content.length > MAX_OCTETS) return invalid(`expected at most ${MAX_OCTETS} octets, got ${content.length}`)
  const json = parsed(content)
  const attribute = (name: string) => attributeOf(headers, name.slice('ce-'.length))
  const isBinary = attribute('ce-specversion') !== undefined
  if (isBinary) return content.length > 0 && json === undefined ? NO_JSON : binaryEvent(attribute, json, now)
  if (json === undefined) return NO_JSON
  if (/^application\/cloudevents\+json\b/i.test(String(contentType ?? ''))) return structuredEvent(json, now)
  const own = typeof messageId === 'string' && messageId !== '' ? `${queue}#${messageId}` : undefined
  const requestId = own !== undefined && isEventId(own) ? own : undefined
  return eventOfJson(json, { now, newId, requestId })
}

const NO_JSON = invalid('the message is not JSON')

function parsed(content: Buffer): unknown {
  try {
    return JSON.parse(decoder.decode(content))
  } catch {
    return undefined
  }
}

/** Escaped as in an HTTP header, where it is read as one. */
function attributeOf(headers: Readonly<Record<string, unknown>>, name: string): string | undefined {
  for (const prefix of ['cloudEvents:', 'cloudEvents_']) {
    const value = Object.hasOwn(headers, prefix + name) ? headers[prefix + name] : undefined
    if (typeof value === 'string') return encodeURIComponent(value.toWellFormed())
  }
  return undefined
}
