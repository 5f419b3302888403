/**
 * The path a request is POSTed to: `INVITE sip:bob@example.com` is `/invite/example.com/bob`; without a user (`REGISTER
 * sip:example.com` has none) `/register/example.com`. Only a routing key: the URI in the body is the authority.
 * @param domain host as in the AOR: lower case, IPv6 without brackets
 * @param user as text, without percent escapes; `.` and `..` cannot be in a URL path and count as no user
 */
export function invocationPath(method: string, domain: string, user: string): string {
  const base = `/${method.toLowerCase()}/${encodeURIComponent(domain)}`
  return user === '' || user === '.' || user === '..' ? base : `${base}/${encodeURIComponent(user)}`
}

/** The path of a named handler: `/on/late-fork`. */
export function handlerPath(name: string): string {
  return `/on/${encodeURIComponent(name)}`
}
