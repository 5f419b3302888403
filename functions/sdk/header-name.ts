/** Compact forms of header names (RFC 3261 7.3.3 and the IANA registry). */
const COMPACT = new Map(
  Object.entries({
    a: 'accept-contact',
    b: 'referred-by',
    c: 'content-type',
    d: 'request-disposition',
    e: 'content-encoding',
    f: 'from',
    i: 'call-id',
    j: 'reject-contact',
    k: 'supported',
    l: 'content-length',
    m: 'contact',
    n: 'identity-info',
    o: 'event',
    r: 'refer-to',
    s: 'subject',
    t: 'to',
    u: 'allow-events',
    v: 'via',
    x: 'session-expires',
    y: 'identity',
  }),
)

/** The long name in lower case. */
export function longName(name: string): string {
  const lower = name.toLowerCase()
  return lower.length === 1 ? (COMPACT.get(lower) ?? lower) : lower
}
