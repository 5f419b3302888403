import { EventPattern } from '../../functions/contract/events.ts'
import type { Read } from '../../functions/contract/settings.ts'
import { unescaped } from '../../functions/contract/settings-values.ts'
import { hostPort } from '../config-values.ts'

/** Where a RabbitMQ is. */
export interface Server {
  /** Name or IP literal, IPv6 without brackets. */
  host: string
  port: number
}

/** What `AMQP_URL` says. */
export interface BrokerUrl {
  isTls: boolean
  /** At least one; those of a cluster, tried in turn. */
  servers: readonly Server[]
  /** Absent: a certificate says who this is, or else `guest`. */
  user: { name: string; password: string } | undefined
  vhost: string
}

const EXAMPLE = 'write for example amqps://rouse:secret@rabbit.example.com/telephony'

/** `amqps://user:password@host:port,host:port/vhost`: everything but a host may be left out. Never shown: it holds a password. */
export function brokerUrlSetting(text: string): Read<BrokerUrl> {
  const wrong = (expected: string) => ({ ok: false, expected, remedy: EXAMPLE, secret: true }) as const
  const [, scheme, userinfo, hosts, path = ''] =
    /^(amqps?):\/\/(?:([^/?#]*)@)?([^/?#@]+)(?:\/([^/?#]*))?$/i.exec(text) ?? []
  if (scheme === undefined || hosts === undefined) return wrong('amqp:// or amqps:// with a host, without ? and #')
  const isTls = scheme.toLowerCase() === 'amqps'
  const servers: Server[] = []
  for (const part of hosts.split(',')) {
    const at = hostPort(part.trim())
    if (!at.ok) return wrong('a host or host:port, several with a comma between')
    servers.push({ host: at.value.host, port: at.value.port ?? (isTls ? 5671 : 5672) })
  }
  const user = userOf(userinfo)
  const vhost = unescaped(path)
  if (user === 'wrong' || vhost === undefined)
    return wrong('a user, a password and a vhost with % escapes that are right')
  return { ok: true, value: { isTls, servers, user, vhost: vhost === '' ? '/' : vhost } }
}

function userOf(userinfo: string | undefined): BrokerUrl['user'] | 'wrong' {
  if (userinfo === undefined || userinfo === '') return undefined
  const colon = userinfo.indexOf(':')
  const name = unescaped(colon < 0 ? userinfo : userinfo.slice(0, colon))
  const password = colon < 0 ? '' : unescaped(userinfo.slice(colon + 1))
  return name === undefined || password === undefined ? 'wrong' : { name, password }
}

/** Of an exchange or a queue: what AMQP 0-9-1 lets be declared, in a short string. */
export function entitySetting(example: string): (text: string) => Read<string> {
  return (text) => {
    // Room for `.parked` in the 255 octets.
    if (/^[\w.:-]{1,240}$/.test(text) && !text.startsWith('amq.')) return { ok: true, value: text }
    const expected = '1 to 240 letters, digits, dots, dashes, colons and underscores, not beginning with amq.'
    return { ok: false, expected, remedy: `write for example ${example}` }
  }
}

/** `call.*,cdr.created`: which events go out. */
export function patternsSetting(text: string): Read<string[]> {
  const patterns = text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
  const wrong = patterns.find((pattern) => !EventPattern.safeParse(pattern).success)
  const remedy = 'write for example call.*,cdr.created'
  if (wrong !== undefined)
    return { ok: false, expected: 'types of events, or families like call.*', got: wrong, remedy }
  return patterns.length > 0
    ? { ok: true, value: [...new Set(patterns)] }
    : { ok: false, expected: 'at least one type of events', remedy }
}

export function plainSetting(text: string): Read<true> {
  if (text.toLowerCase() === 'allowed') return { ok: true, value: true }
  const remedy = 'write allowed where the network itself is private, else leave it out and use amqps://'
  return { ok: false, expected: 'allowed', remedy }
}

/** What a setting names by its path, as long as it looks like what it should be; `undefined` when it cannot be read. */
export function pemSetting(kind: RegExp, what: string, readFile: (path: string) => string | undefined) {
  return (path: string): Read<string> => {
    const text = readFile(path)
    if (text !== undefined && kind.test(text)) return { ok: true, value: text }
    const remedy = text === undefined ? 'it cannot be read: check the path and who may read it' : 'that file holds none'
    return { ok: false, expected: `the path of a file with ${what} in PEM`, remedy }
  }
}
