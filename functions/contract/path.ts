/** Written where a URL would lose the user: none, `.` and `..`. */
const NO_USER = '-'

/**
 * The path a request is POSTed to: `INVITE sip:bob@example.com` is `/invite/example.com/bob`, a REGISTER goes by its To;
 * without a user `/options/example.com/-`. Only a routing key: the URI in the body is the authority.
 * @param domain host as in the AOR: lower case, IPv6 without brackets
 * @param user as text, without percent escapes
 */
export function invocationPath(method: string, domain: string, user: string): string {
  const isLost = user === '' || user === '.' || user === '..'
  const segment = isLost ? NO_USER : encodeURIComponent(user)
  return `/${encodeURIComponent(method.toLowerCase())}/${encodeURIComponent(domain || NO_USER)}/${segment}`
}

/** The path of a named handler: `/on/late-fork`. */
export function handlerPath(name: string): string {
  return `/on/${encodeURIComponent(name)}`
}
