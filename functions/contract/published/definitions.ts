import type * as z from 'zod/mini'
import * as actions from '../actions.ts'
import { Duration } from '../duration.ts'
import * as envelope from '../envelope.ts'
import * as events from '../events.ts'
import { PushMessage, PushResult } from '../push.ts'

export type Schema = z.core.$ZodType

/** What travels: a message of the contract is one of these. */
export const MESSAGES = ['Invocation', 'Answer', 'Manifest', 'Problem', 'PushMessage', 'PushResult'] as const

/** Not published: `RaisedEvent` is the store's, and a reaction is described by the actions that may be in it. */
const OWN = new Set(['RaisedEvent', 'EventId', 'Actions', 'Reaction'])

const EXPORTED: Record<string, unknown> = { ...actions, Duration, ...envelope, ...events, PushMessage, PushResult }

/** Every schema of the contract under its own name, found among what the files of the room export: a new one is published by itself. */
export const DEFINITIONS: ReadonlyMap<string, Schema> = new Map(
  Object.entries(EXPORTED)
    .filter((entry): entry is [string, Schema] => isSchema(entry[1]) && !OWN.has(entry[0]))
    .sort(([one], [other]) => (one < other ? -1 : 1)),
)

function isSchema(value: unknown): boolean {
  return typeof value === 'object' && value !== null && '_zod' in value
}
