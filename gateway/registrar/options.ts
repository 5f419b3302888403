/** Settings of the registrar. Times in whole seconds, as SIP writes them. */
export interface RegistrarOptions {
  /** Name of this gateway: who holds the flow of a binding. */
  gateway: string
  /** Whether this registrar is responsible for a host (lower case, IPv6 without brackets) and port (absent when none was written). */
  isLocalDomain(host: string, port: number | undefined): boolean
  /** What a contact gets that asks for nothing; default 3600 (RFC 3261 10.3 step 6). */
  defaultExpires: number
  /** Shorter wishes are refused with 423; at most 3600 (RFC 3261 10.3 step 7); default 60. */
  minExpires: number
  /** Longer wishes are shortened; default 3600. */
  maxExpires: number
  /** The same for contacts that can be woken by a push, which cannot refresh in their sleep; default 604,800, a week. */
  maxPushExpires: number
  /** Bindings of one AOR; default 10. More are refused with 403. */
  maxContacts: number
  /** Characters of one Contact value, and of all Path values together; default 2048. More are refused with 403. */
  maxLength: number
  /** Values of pn-provider that this router can push through, `'*'` for any (RFC 8599); default `'*'`. Others are refused with 555. */
  pushProviders: '*' | readonly string[]
  /** Those of them that cannot push without a pn-param: a contact that lacks it is refused with 555; default `apns`, whose topic it is. */
  paramNeededBy: readonly string[]
  /** Public key by which web push services know this router, base64url (RFC 8292): `+sip.vapid`; absent: none is announced. */
  vapidKey?: string
  /**
   * How long before its expiry the binding of a device that cannot wake by itself is refreshed by a push at the latest; default 600, and no
   * more than a third of its interval. Others are told to refresh twice as long before. 0: no push asks for a refresh.
   */
  refreshLead: number
  /** Such pushes that this gateway sends in a second at most; default 100. */
  refreshPerSecond: number
  /** The name by which requests within a dialog wake a device again: `+sip.pnspurr`; absent: they wake nobody (RFC 8599 6). */
  purr?(aor: string, device: string): string
  /** How often expired bindings are taken out while there are bindings; milliseconds, default 1000. */
  sweepMs: number
}

export const REGISTRAR_DEFAULTS = {
  defaultExpires: 3600,
  minExpires: 60,
  maxExpires: 3600,
  maxPushExpires: 604_800,
  maxContacts: 10,
  maxLength: 2048,
  pushProviders: '*',
  paramNeededBy: ['apns'],
  refreshLead: 600,
  refreshPerSecond: 100,
  sweepMs: 1000,
} as const satisfies Partial<RegistrarOptions>

/** What a `save` action may ask for instead, for one REGISTER; times in whole seconds. */
export interface RegisterOverrides {
  /** Another address-of-record than that of To, of whatever domain; a SIP URI. */
  aor?: string
  minExpires?: number
  /** Holds for contacts with and without push. */
  maxExpires?: number
  maxContacts?: number
}

/** The options of one REGISTER; an aor is for `planRegister`, not an option. */
export function withOverrides(options: RegistrarOptions, overrides: RegisterOverrides): RegistrarOptions {
  const { minExpires, maxExpires, maxContacts } = overrides
  return {
    ...options,
    minExpires: minExpires ?? options.minExpires,
    maxExpires: maxExpires ?? options.maxExpires,
    maxPushExpires: maxExpires ?? options.maxPushExpires,
    maxContacts: maxContacts ?? options.maxContacts,
  }
}
