/** Written where a URL would lose the user: none, `.` and `..`. */
const NO_USER = '-'
/** What `encodeURIComponent` leaves as it is. */
const PLAIN = /^[\w.!~*'()-]*$/

/**
 * The path a request is POSTed to: `INVITE sip:bob@example.com` is `/invite/example.com/bob`, a REGISTER goes by its To;
 * without a user `/options/example.com/-`. Only a routing key: the URI in the body is the authority.
 * @param domain host as in the AOR: lower case, IPv6 without brackets
 * @param user as text, see `userText`
 */
export function invocationPath(method: string, domain: string, user: string): string {
  const isLost = user === '' || user === '.' || user === '..'
  return `/${encoded(method.toLowerCase())}/${encoded(domain || NO_USER)}/${isLost ? NO_USER : encoded(user)}`
}

/** The user part of a URI as people read it: `%237` is `#7`. What its escapes stand for may be no text, then it is left as it is. */
export function userText(user: string): string {
  if (!user.includes('%')) return user
  try {
    return decodeURIComponent(user)
  } catch {
    return user
  }
}

/** The path of a named handler: `/on/late-fork`. */
export function handlerPath(name: string): string {
  return `/on/${encoded(name)}`
}

/** Mostly there is nothing to encode, and looking is cheaper than encoding. */
function encoded(text: string): string {
  return PLAIN.test(text) ? text : encodeURIComponent(text)
}
