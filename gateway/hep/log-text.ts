import type { RouseEvent } from '../../functions/contract/events.ts'
import { redactedJson } from '../observe/redact.ts'
import type { InvocationSeen, ReactionSeen } from '../observe/watcher.ts'
import { textOf } from '../transport/octets.ts'

/** The JSON of what is no message: events and invocations. Nothing of it is a secret. */

/** Collectors drop log packets without a correlation id: events of no call go by whom they are about, and else by themselves. */
export function correlationOf({ id, attributes: { callId, aor } }: RouseEvent, of: string | undefined): string {
  for (const name of [callId, of, aor]) if (name !== undefined && name !== '') return latin1(String(name))
  return latin1(id)
}

export function eventText({ id, type, attributes }: RouseEvent): string {
  return json({ event: type, id, attributes })
}

export function invocationText({ callId: _, path: invocation, failures, ...rest }: InvocationSeen): string {
  return json({ invocation, ...rest, failures: failures.length > 0 ? failures : undefined })
}

export function reactionText({ event: { type, id }, actions }: ReactionSeen): string {
  return json({ reaction: type, id, actions })
}

function json(value: object): string {
  return latin1(redactedJson(value))
}

/** Its UTF-8 octets, one character each. */
function latin1(text: string): string {
  return textOf(Buffer.from(text, 'utf8'))
}
