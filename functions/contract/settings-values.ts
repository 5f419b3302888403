import { durationMs } from './duration.ts'
import type { Rate } from './rate.ts'
import type { Read } from './settings.ts'

/** Values of settings that gateways and functions have in common. */

/** The text of a file that a setting names; undefined when it cannot be read. */
export type ReadFile = (path: string) => string | undefined

/** Standard Webhooks: `whsec_` and 24 to 64 octets in base64. */
export function secretSetting(text: string): Read<string> {
  const secrets = text.split(/\s+/)
  if (secrets.length <= 2 && secrets.every(isSecret)) return { ok: true, value: secrets.join(' ') }
  const expected = 'whsec_ and 24 to 64 octets in base64, or two of these separated by a space'
  return { ok: false, expected, remedy: 'make one with: echo whsec_$(openssl rand -base64 32)', secret: true }
}

function isSecret(text: string): boolean {
  const [, base64 = ''] = /^whsec_([A-Za-z0-9+/]+)={0,2}$/.exec(text) ?? []
  const length = Math.floor((base64.length * 3) / 4)
  return base64.length % 4 !== 1 && length >= 24 && length <= 64
}

/** What fits in an Authorization header (RFC 6750 2.1). */
export function tokenSetting(text: string): Read<string> {
  if (/^[A-Za-z0-9._~+/-]+=*$/.test(text)) return { ok: true, value: text }
  return {
    ok: false,
    expected: 'letters, digits and - . _ ~ + /',
    remedy: 'make one with: openssl rand -hex 32',
    secret: true,
  }
}

/** `10/1m`: so many in a row, and then as many in that time; `off`: no limit. */
export function rateSetting(text: string): Read<{ rate: Rate | undefined }> {
  if (text === 'off') return { ok: true, value: { rate: undefined } }
  const [count = '', time = ''] = text.split('/')
  const perMs = durationMs(time)
  const isWhole = /^[1-9]\d{0,5}$/.test(count) && text.split('/').length === 2
  if (isWhole && perMs !== undefined && perMs > 0) return { ok: true, value: { rate: { count: Number(count), perMs } } }
  return { ok: false, expected: 'how many in what time', remedy: 'write for example 10/1m, or off for no limit' }
}

/** Part of a URL's userinfo or path as it is meant; undefined when an escape in it is broken. */
export function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
