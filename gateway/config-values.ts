import { isIP } from 'node:net'
import type { Action } from '../functions/contract/actions.ts'
import { durationMs } from '../functions/contract/duration.ts'
import type { Read } from '../functions/contract/settings.ts'
import { validateAnswer } from '../functions/contract/validate.ts'
import type { TransportName } from './transport/types.ts'

export { rateSetting, secretSetting, tokenSetting } from '../functions/contract/settings-values.ts'

/** A socket to listen on. */
export interface ListenSetting {
  transport: TransportName
  /** IP literal, IPv6 without brackets. */
  host: string
  port: number
}

/** Where a listener does not say. */
const PORTS: Readonly<Record<TransportName, number>> = { udp: 5060, tcp: 5060, tls: 5061, ws: 80, wss: 443 }
const LISTEN_EXAMPLE = 'write for example udp://127.0.0.1:5060,tcp://[::1]:5060,tls://192.0.2.1:5061'

/** `udp://host:port`, comma separated; the port has a default, see PORTS. */
export function listenSetting(text: string): Read<ListenSetting[]> {
  const listeners: ListenSetting[] = []
  for (const part of list(text)) {
    const read = oneListener(part)
    if (!read.ok) return read
    if (listeners.some((other) => isSame(other, read.value))) {
      return { ok: false, expected: 'each listener once', got: part, remedy: 'take one of the two out' }
    }
    listeners.push(read.value)
  }
  return listeners.length > 0
    ? { ok: true, value: listeners }
    : { ok: false, expected: 'a listener', remedy: LISTEN_EXAMPLE }
}

function oneListener(part: string): Read<ListenSetting> {
  const [, scheme = '', rest = ''] = /^([a-z]+):\/\/(.*)$/i.exec(part) ?? []
  const transport = Object.keys(PORTS).find((name) => name === scheme.toLowerCase()) as TransportName | undefined
  const at = hostPort(rest)
  const fault = {
    ok: false,
    expected: 'udp://, tcp://, tls://, ws:// or wss:// with an IP address',
    got: part,
    remedy: LISTEN_EXAMPLE,
  } as const
  if (transport === undefined || !at.ok || isIP(at.value.host) === 0) return fault
  return { ok: true, value: { transport, host: at.value.host, port: at.value.port ?? PORTS[transport] } }
}

/** All but UDP share their ports. */
function isSame(a: ListenSetting, b: ListenSetting): boolean {
  const isSameKind = (a.transport === 'udp') === (b.transport === 'udp')
  return isSameKind && a.host === b.host && a.port === b.port && a.port !== 0
}

const HOST_NAME = /^[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9-]{1,63}){0,30}\.?$/

/** `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address. */
export function hostPort(text: string): Read<{ host: string; port: number | undefined }> {
  const fault = {
    ok: false,
    expected: 'host or host:port',
    remedy: 'write for example 192.0.2.1:5060, sip.example.com or [2001:db8::1]:5060',
  } as const
  const host = hostOf(text)
  if (host === undefined) return fault
  const port = text.slice(text.lastIndexOf(']') + 1).split(':')
  if (isIP(text) === 6 || port.length === 1) return { ok: true, value: { host, port: undefined } }
  const number = /^\d{1,5}$/.test(port[1]!) ? Number(port[1]) : Number.NaN
  return port.length === 2 && number <= 65_535 ? { ok: true, value: { host, port: number } } : fault
}

/** The host of `host:port` in lower case, IPv6 without brackets. */
function hostOf(text: string): string | undefined {
  const lower = text.toLowerCase()
  if (isIP(lower) === 6) return lower
  if (lower.startsWith('[')) {
    const [, address = '', rest = ''] = /^\[([^\]]*)\](.*)$/.exec(lower) ?? []
    return isIP(address) === 6 && (rest === '' || rest.startsWith(':')) ? address : undefined
  }
  const name = lower.split(':')[0]!
  return isIP(name) === 4 || (HOST_NAME.test(name) && !/^[\d.]+$/.test(name)) ? name : undefined
}

/** Comma-separated host names or IP addresses without port. */
export function domainsSetting(text: string): Read<string[]> {
  const domains: string[] = []
  for (const part of list(text)) {
    const read = hostPort(part)
    if (!read.ok || read.value.port !== undefined) {
      return {
        ok: false,
        expected: 'domains without scheme and port',
        got: part,
        remedy: 'write for example example.com,sip.example.net',
      }
    }
    domains.push(read.value.host.endsWith('.') ? read.value.host.slice(0, -1) : read.value.host)
  }
  if (domains.length === 0)
    return { ok: false, expected: 'at least one domain', remedy: 'write for example example.com' }
  return { ok: true, value: [...new Set(domains)] }
}

export function httpUrl(text: string): Read<string> {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    return { ok: false, expected: 'an http or https URL', remedy: 'write for example https://functions.example.com' }
  }
  if (url.username || url.password) {
    const remedy = 'use WEBHOOK_SECRET, with which the other side can check who calls'
    return { ok: false, expected: 'a URL without user and password', remedy, secret: true }
  }
  if (url.hash) return { ok: false, expected: 'a URL without #', remedy: 'take the fragment out' }
  return { ok: true, value: url.href }
}

/** Where the store is: one server, a cluster, or the sentinels that know a master. */
export function redisSetting(text: string): Read<string> {
  if (/^rediss?(\+(cluster|sentinel))?:\/\/[^/\s]+\S*$/.test(text)) return { ok: true, value: text }
  const expected = 'redis://, rediss://, redis+cluster:// or redis+sentinel:// and host:port'
  return { ok: false, expected, remedy: 'write for example redis://127.0.0.1:6379', secret: true }
}

/** A module path, or a URL. Whether the module exists shows when it is loaded. */
export function functionsSetting(text: string): Read<{ kind: 'module'; path: string } | { kind: 'url'; url: string }> {
  if (!/^[a-z][a-z0-9+.-]+:/i.test(text) || text.startsWith('file:'))
    return { ok: true, value: { kind: 'module', path: text } }
  const url = httpUrl(text)
  if (url.ok) return { ok: true, value: { kind: 'url', url: url.value } }
  return { ...url, expected: `a module path or ${url.expected}` }
}

/** A JSON array of actions, or a whole answer `{ "actions": […] }`. */
export function actionsSetting(text: string): Read<Action[]> {
  const remedy = 'write for example [{"action":"reply","status":480}]'
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return { ok: false, expected: 'a JSON array of actions', remedy }
  }
  const read = validateAnswer(Array.isArray(json) ? { actions: json } : json)
  if (!read.ok) return { ok: false, expected: `actions (${read.problem.pointer ?? ''} ${read.problem.detail})`, remedy }
  return read.value.actions.length > 0
    ? { ok: true, value: read.value.actions }
    : { ok: false, expected: 'at least one action', remedy }
}

/** What may be without signature. */
export interface UnsignedSetting {
  /** Functions on this machine: invocations and answers. */
  loopback: boolean
  /** Answers of functions that are asked over https. */
  answers: boolean
}

/** `loopback`, `answers`, or both with a comma between. */
export function unsignedSetting(text: string): Read<UnsignedSetting> {
  const parts = list(text.toLowerCase())
  const isRight = parts.length > 0 && parts.every((part) => part === 'loopback' || part === 'answers')
  if (isRight) return { ok: true, value: { loopback: parts.includes('loopback'), answers: parts.includes('answers') } }
  const remedy =
    'loopback lets functions on this machine go unsigned, answers lets what is answered over https go unsigned; else leave it out'
  return { ok: false, expected: 'loopback, answers, or both with a comma between', remedy }
}

export function nameSetting(text: string): Read<string> {
  if (/^[A-Za-z0-9._-]{1,64}$/.test(text)) return { ok: true, value: text }
  return {
    ok: false,
    expected: '1 to 64 letters, digits, dots, dashes and underscores',
    remedy: 'write for example gw-1',
  }
}

/** An IP literal of one machine, IPv6 without brackets. */
export function addressSetting(text: string): Read<string> {
  const address = text.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  if (isIP(address) !== 0 && !isWildcard(address)) return { ok: true, value: address }
  return { ok: false, expected: 'an IP address of this machine', remedy: 'write for example 10.0.0.1 or 2001:db8::1' }
}

/** Seconds, in milliseconds. */
export function secondsSetting(text: string): Read<number> {
  if (/^\d{1,4}$/.test(text) && Number(text) <= 3600) return { ok: true, value: Number(text) * 1000 }
  return { ok: false, expected: 'a number of seconds from 0 to 3600', remedy: 'write for example 20' }
}

/** How long a session may last without a refresh (RFC 4028 4: at least 90 s), in seconds. */
export function sessionSetting(text: string): Read<number> {
  const ms = durationMs(text) ?? 0
  if (ms >= 90_000 && ms <= 86_400_000) return { ok: true, value: Math.round(ms / 1000) }
  return { ok: false, expected: 'a time from 90s to 24h', remedy: 'write for example 30m' }
}

/** Only this machine can reach it. */
export function isLoopback(host: string): boolean {
  return (
    host === 'localhost' ||
    host === '::1' ||
    host === '::ffff:127.0.0.1' ||
    (isIP(host) === 4 && host.startsWith('127.'))
  )
}

/** Whether the host of an http(s) URL is this machine itself. */
export function isLoopbackUrl(url: string): boolean {
  return isLoopback(new URL(url).hostname.replace(/^\[(.*)\]$/, '$1'))
}

/** Every address of the machine. */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || (isIP(host) === 6 && /^[0:]+$/.test(host))
}

function list(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
}

/** Comma-separated origins of web pages, as browsers write them; `*`: all. */
export function originsSetting(text: string): Read<{ origins: string[] | undefined }> {
  const parts = list(text.toLowerCase())
  if (parts.length === 1 && parts[0] === '*') return { ok: true, value: { origins: undefined } }
  const wrong = parts.find((part) => !URL.canParse(part) || new URL(part).origin !== part)
  if (parts.length > 0 && wrong === undefined) return { ok: true, value: { origins: parts } }
  const remedy = 'write for example https://phone.example.com, or * for all'
  return { ok: false, expected: 'origins of web pages', got: wrong ?? text, remedy }
}
