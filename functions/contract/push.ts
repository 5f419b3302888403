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
  /**
   * What it is for. `call`: an INVITE waits for the device. `cancel`: it does not any more. `refresh`: the binding is to be refreshed
   * (RFC 8599 5.5). `request`: another request waits for it, such as a MESSAGE or one within a dialog.
   */
  purpose: z.enum(['call', 'cancel', 'refresh', 'request']),
  /** Why a call waits no more; only with `cancel`. */
  reason: z.optional(z.enum(['answered_elsewhere', 'caller_gone', 'ended'])),
  /** The call or request the device is woken for; absent for a push that asks for a refresh. */
  call: z.optional(
    z.object({
      /** Names it to the device and says nothing else: the request that rings there has it as `Push-Call-ID`. */
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
  /**
   * `token_invalid`: the device is gone, no further push will reach it. `unsupported`: this provider has no push for that purpose to that
   * device, as Apple's VoIP pushes are for calls only.
   */
  outcome: z.enum(['accepted', 'failed', 'token_invalid', 'unsupported']),
  /** What went wrong, for people and logs: no token in it. */
  error: z.optional(z.string().check(z.maxLength(1024))),
  /** Of what failed: it may be tried again after so long; 0: when the sender likes. Absent: trying again is of no use. */
  retryAfterSeconds: z.optional(z.number().check(z.minimum(0))),
})
export type PushResult = z.infer<typeof PushResult>
