import type { Read, Reader } from '../../functions/contract/settings.ts'
import { unescaped } from '../../functions/contract/settings-values.ts'

export interface FreeswitchSettings {
  /** `FREESWITCH_ESL_URL`, one or several: each is connected to. */
  servers: readonly EslServer[]
  /** `FREESWITCH_EVENTS`, default `CHANNEL_ANSWER CHANNEL_HANGUP DTMF`; what follows CUSTOM are subclasses. */
  events: readonly string[]
  subclasses: readonly string[]
  /** `FREESWITCH_ATTRIBUTES`, headers of events that are attributes, too; default none. */
  attributes: readonly string[]
}

export interface EslServer {
  /** Name or IP literal, IPv6 without brackets. */
  host: string
  port: number
  /** `user@domain`; absent: the password of the event socket itself. */
  user: string | undefined
  password: string
  /** How events are written, `?format=plain` or `?format=json`; default `json`. */
  format: 'json' | 'plain'
}

/** Every setting that is read here. */
export const FREESWITCH_SETTINGS = ['FREESWITCH_ESL_URL', 'FREESWITCH_EVENTS', 'FREESWITCH_ATTRIBUTES'] as const

const URL_SETTING = 'FREESWITCH_ESL_URL'
const DEFAULT_PORT = 8021
const MAX_NAMES = 64
/** FreeSWITCH would take it for a subclass, and never say it. */
const EVENT_AFTER_CUSTOM = /^(DTMF|CUSTOM|CHANNEL_\w+)$/

/** @returns undefined: there is none */
export function freeswitchSettings(read: Reader): FreeswitchSettings | undefined {
  const servers = read.value(URL_SETTING, serversSetting)
  const wanted = read.value('FREESWITCH_EVENTS', eventsSetting, 'CHANNEL_ANSWER CHANNEL_HANGUP DTMF')
  const attributes = read.value('FREESWITCH_ATTRIBUTES', attributesSetting) ?? []
  const more = FREESWITCH_SETTINGS.find((setting) => setting !== URL_SETTING && read.has(setting))
  if (more !== undefined && !read.has(URL_SETTING)) {
    const message = `${URL_SETTING}: expected a value, since ${more} is set; got nothing. Set it, or take ${more} out`
    read.faults.push({ setting: URL_SETTING, message })
  }
  return servers && wanted && { servers, ...wanted, attributes }
}

function serversSetting(text: string): Read<EslServer[]> {
  const servers = text.split(',').map((part) => serverOf(part.trim()))
  if (servers.every((server) => server !== undefined)) return { ok: true, value: servers as EslServer[] }
  return {
    ok: false,
    expected: 'esl://:password@host:port, one or several with a comma between',
    remedy:
      'write for example esl://:ClueCon@127.0.0.1:8021, or esl://user%40domain:password@host; escape what a URL may not hold',
    secret: true,
  }
}

function serverOf(text: string): EslServer | undefined {
  if (!URL.canParse(text)) return undefined
  const { protocol, hostname, port, username, password, pathname, search, hash } = new URL(text)
  if (protocol !== 'esl:' || hostname === '' || !/^\/?$/.test(pathname) || hash !== '') return undefined
  if (!/^(\?format=(json|plain))?$/.test(search)) return undefined
  const [user, secret] = [unescaped(username), unescaped(password)]
  if (!secret || user === undefined || /[\u0000-\u001f\u007f]/.test(user + secret)) return undefined
  if (user !== '' && !/^[^@:\s]+@[^@:\s]+$/.test(user)) return undefined
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  const format = search === '?format=plain' ? 'plain' : 'json'
  return { host, port: port === '' ? DEFAULT_PORT : Number(port), user: user || undefined, password: secret, format }
}

function eventsSetting(text: string): Read<{ events: string[]; subclasses: string[] }> {
  const names = text.split(/[\s,]+/).filter(Boolean)
  const custom = names.indexOf('CUSTOM')
  const events = custom < 0 ? names : names.slice(0, custom)
  const subclasses = custom < 0 ? [] : names.slice(custom + 1)
  const isRight =
    events.every((name) => /^[A-Z_]{1,64}$/.test(name) && name !== 'ALL') &&
    subclasses.every((name) => /^[\w:.-]{1,128}$/.test(name) && !EVENT_AFTER_CUSTOM.test(name))
  if (isRight && (custom < 0 || subclasses.length > 0) && names.length > 0 && names.length <= MAX_NAMES)
    return { ok: true, value: { events: [...new Set(events)], subclasses: [...new Set(subclasses)] } }
  const remedy =
    'write for example CHANNEL_ANSWER DTMF CUSTOM conference::maintenance: what follows CUSTOM are subclasses, and ALL is too much'
  return { ok: false, expected: 'names of events of FreeSWITCH', remedy }
}

function attributesSetting(text: string): Read<string[]> {
  const names = text.split(/[\s,]+/).filter(Boolean)
  const wrong = names.find((name) => !/^[A-Za-z0-9_.-]{1,64}$/.test(name))
  if (wrong === undefined && names.length <= MAX_NAMES) return { ok: true, value: names }
  return {
    ok: false,
    expected: 'names of headers',
    got: wrong ?? text,
    remedy: 'write for example variable_domain_name,Caller-Context',
  }
}
