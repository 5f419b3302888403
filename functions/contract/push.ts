import * as z from 'zod/mini'

/** Pushes: what the gateway POSTs to a push function, and what it answers (RFC 8599). */

/** `prid` and `param` are the device's secrets: they go to the provider and nowhere else, least of all into a log. */
export const PushMessage = z.object({
  /** The same on every retry: the idempotency key. */
  id: z.string().check(z.minLength(1), z.maxLength(256)),
  aor: z.string().check(z.minLength(1), z.maxLength(2048)),
  /** Which device of the AOR, as the location service names it; never a token. */
  device: z.string().check(z.maxLength(2048)),
  /** `pn-provider`, `pn-prid` and `pn-param` of the Contact; `param` is empty when there was none. */
  provider: z.string().check(z.minLength(1), z.maxLength(256)),
  prid: z.string().check(z.maxLength(4096)),
  param: z.string().check(z.maxLength(4096)),
  /** The call the device is woken for; absent for a push that asks for a refresh. */
  call: z.optional(
    z.object({
      /** Call-ID. */
      id: z.string().check(z.maxLength(1024)),
      from: z.string().check(z.maxLength(2048)),
      to: z.string().check(z.maxLength(2048)),
      displayName: z.optional(z.string().check(z.maxLength(1024))),
    }),
  ),
  /** How long the push is worth delivering. */
  ttlSeconds: z.number().check(z.minimum(0), z.maximum(2_419_200)),
  /** What the handler adds to the payload. */
  data: z.optional(z.record(z.string().check(z.maxLength(256)), z.string().check(z.maxLength(4096)))),
})
export type PushMessage = z.infer<typeof PushMessage>

export const PushResult = z.object({
  /** `token_invalid`: the device is gone, no further push will reach it. */
  outcome: z.enum(['accepted', 'failed', 'token_invalid']),
  /** What went wrong, for people and logs: no token in it. */
  error: z.optional(z.string().check(z.maxLength(1024))),
  retryAfterSeconds: z.optional(z.number().check(z.minimum(0))),
})
export type PushResult = z.infer<typeof PushResult>
