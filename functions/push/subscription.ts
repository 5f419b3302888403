import type { PushMessage } from '../contract/push.ts'

/** A Web Push subscription, as a phone registers it: `pn-prid` is the URI of its push resource (RFC 8599 8). */
export interface Subscription {
  url: URL
  /**
   * Of `pn-param`, an addition to RFC 8599: `<p256dh>.<auth>`, both in base64url, as a browser's `PushSubscription` has them. Without them a
   * push has no payload, and wakes the device all the same.
   */
  keys?: { p256dh: string; auth: string }
}

/** Push services of browsers; `*.` stands for one or more names. */
export const PUSH_SERVICES = [
  'fcm.googleapis.com',
  'jmt17.google.com',
  '*.push.services.mozilla.com',
  '*.notify.windows.com',
  '*.push.apple.com',
] as const

/**
 * A phone says where its pushes go: that must not lead this program to places its own network keeps for itself. So https alone, on its own
 * port, to hosts that are allowed.
 * @param hosts names, `*.name`, or `*` for any that is reached by a public address
 * @returns what is wrong, for people; the host is all that is told of the URI
 */
export function readSubscription(
  { prid, param }: Pick<PushMessage, 'prid' | 'param'>,
  hosts: readonly string[],
): Subscription | string {
  const url = URL.canParse(prid) ? new URL(prid) : undefined
  if (url?.protocol !== 'https:') return 'expected pn-prid as the https URI of a push subscription'
  if (url.username !== '' || url.password !== '') return 'expected pn-prid without user and password'
  if (!hosts.some((pattern) => isMatch(url, pattern)))
    return `${url.host} is no push service that is allowed: see WEBPUSH_HOSTS`
  const [, p256dh, auth] = /^([\w-]{87})\.([\w-]{22})$/.exec(param) ?? []
  return p256dh && auth ? { url, keys: { p256dh, auth } } : { url }
}

/** A pattern may have a port; without one it is https's own. */
function isMatch({ hostname, port }: URL, pattern: string): boolean {
  const [, name = '', allowedPort = ''] = /^(.*?)(?::(\d+))?$/.exec(pattern.toLowerCase()) ?? []
  if (port !== allowedPort) return false
  // The last dot of a name changes nothing, where it leads.
  const host = hostname.replace(/\.$/, '')
  if (name === '*') return true
  return name.startsWith('*.') ? host.endsWith(name.slice(1)) : host === name
}
