import * as z from 'zod/mini'
import { EventAttribute, EventType } from '../contract/events.ts'
import { POINTER } from './pointer.ts'

/** The language of mapping rules: what may be written in `EVENTS_MAPPINGS`. */

const Scalar = z.union([z.string().check(z.maxLength(4096)), z.number(), z.boolean()])
export type Scalar = z.infer<typeof Scalar>

const Pointer = z.string().check(z.maxLength(1024), z.regex(POINTER, 'expected a JSON pointer such as /data/id'))
const HeaderName = z.string().check(z.regex(/^[A-Za-z0-9_-]{1,64}$/, 'expected the name of a header'))
const QueryName = z.string().check(z.minLength(1), z.maxLength(64))

/** Where a value comes from. */
const PLACES = {
  pointer: z.optional(Pointer),
  body: z.optional(Pointer),
  header: z.optional(HeaderName),
  query: z.optional(QueryName),
}
const PLACE_NAMES = ['pointer', 'body', 'header', 'query'] as const

/** Of the record's own fields: one of the same name as a method of objects is no field. */
const Names = (value: unknown) => z.record(z.string().check(z.maxLength(256)), value as typeof Scalar)

const SourceFields = z
  .strictObject({
    ...PLACES,
    value: z.optional(Scalar),
    map: z.optional(Names(Scalar)),
    default: z.optional(Scalar),
    optional: z.optional(z.boolean()),
  })
  .check(
    z.refine(
      (source) => [...PLACE_NAMES, 'value' as const].filter((name) => source[name] !== undefined).length === 1,
      'expected one of pointer, body, header, query and value',
    ),
  )
export type SourceFields = z.infer<typeof SourceFields>

const Shorthand = z
  .string()
  .check(
    z.maxLength(1024),
    z.regex(
      /^\/([^~]|~[01])*$/,
      'expected a JSON pointer such as /data/id, or { "value": … } for what is always the same',
    ),
  )

/** A text is a JSON pointer. */
const Source = z.union([Shorthand, SourceFields])
export type Source = z.infer<typeof Source>

/** A text that begins with a slash is a JSON pointer, another one the type itself. */
const TypeSource = z.union([
  z.string().check(
    z.maxLength(1024),
    z.refine(
      (text) => (text.startsWith('/') ? POINTER.test(text) : EventType.safeParse(text).success),
      'expected the type of an event such as payment.done, or a JSON pointer such as /event',
    ),
  ),
  SourceFields,
])

const Condition = z
  .strictObject({
    ...PLACES,
    equals: z.optional(z.union([Scalar, z.array(Scalar).check(z.minLength(1), z.maxLength(100))])),
    exists: z.optional(z.boolean()),
  })
  .check(
    z.refine(
      (condition) => PLACE_NAMES.filter((name) => condition[name] !== undefined).length === 1,
      'expected one of pointer, body, header and query',
    ),
    z.refine(
      ({ equals, exists }) => (equals === undefined) !== (exists === undefined),
      'expected either equals or exists',
    ),
  )
export type Condition = z.infer<typeof Condition>

const Conditions = z.array(Condition).check(z.maxLength(32))

const SecretText = z.union([
  z.string().check(z.minLength(8), z.maxLength(1024)),
  z.strictObject({
    env: z.string().check(z.regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'expected the name of a setting')),
  }),
])
const Secret = z.union([SecretText, z.array(SecretText).check(z.minLength(1), z.maxLength(4))])
export type Secret = z.infer<typeof Secret>

/** How a sender shows that it is who it is. */
const Auth = z.discriminatedUnion('scheme', [
  z.strictObject({ scheme: z.literal('header'), name: HeaderName, secret: Secret }),
  z.strictObject({ scheme: z.literal('query'), name: QueryName, secret: Secret }),
  z.strictObject({ scheme: z.literal('basic'), user: z.string().check(z.maxLength(256)), secret: Secret }),
  z.strictObject({ scheme: z.literal('standard-webhooks'), secret: Secret }),
  z
    .strictObject({
      scheme: z.literal('hmac-sha256'),
      header: HeaderName,
      encoding: z.enum(['hex', 'base64']),
      prefix: z.optional(z.string().check(z.regex(/^[^, ]{1,64}$/, 'expected a text without comma and space'))),
      time: z.optional(HeaderName),
      signs: z.optional(z.string().check(z.maxLength(256))),
      secret: Secret,
    })
    .check(
      z.refine(
        ({ signs = '{body}', time }) =>
          signs.split('{body}').length === 2 && signs.split('{time}').length === (time === undefined ? 1 : 2),
        'expected {body} once in signs, and {time} once where there is a header for time',
      ),
    ),
  z.strictObject({
    scheme: z.literal('stripe'),
    header: z.optional(HeaderName),
    secret: Secret,
  }),
])
export type Auth = z.infer<typeof Auth>

/** One mapping, as it is written. */
export const MappingRule = z.strictObject({
  auth: z.optional(Auth),
  when: z.optional(Conditions),
  each: z.optional(Pointer),
  id: z.optional(Source),
  type: TypeSource,
  attributes: z.optional(z.record(EventAttribute, Source)),
  challenge: z.optional(z.strictObject({ when: z.optional(Conditions), echo: Source })),
})
export type MappingRule = z.infer<typeof MappingRule>

/** What comes after `/events/`. */
export const MAPPING_NAME: RegExp = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/
/** Mappings, and attributes of one, at most. */
export const MAX_MAPPINGS = 100
export const MAX_ATTRIBUTES = 64
