import { durationMs } from '../../functions/contract/duration.ts'
import type { Read, Reader } from '../../functions/contract/settings.ts'
import { unescaped } from '../../functions/contract/settings-values.ts'

/** Where CGRateS is: `tcp` is asked over one connection, and asks over it; `http` is only asked. */
export type CgratesAddress =
  | { kind: 'tcp'; host: string; port: number }
  | { kind: 'http'; url: string; authorization: string | undefined }

export interface CgratesSettings {
  /** `CGRATES_URL`: `tcp://host:port`, port 2014 by default (bidirectional), or `http://host:2080/jsonrpc`. */
  address: CgratesAddress
  /** `CGRATES_TENANT`, default `cgrates.org`: of accounts of which a handler names none. */
  tenant: string
  /** `CGRATES_AWAY`, default `refuse`: what becomes of prepaid calls while CGRateS does not answer. */
  away: 'refuse' | 'pass'
  /** `CGRATES_DEBIT_INTERVAL`, 1s to 1h, default 30s: what is debited of a prepaid account at a time. In milliseconds. */
  intervalMs: number
  /** `CGRATES_TIMEOUT`, 100ms to 30s, default 2s: how long an answer is waited for. In milliseconds. */
  timeoutMs: number
}

export const CGRATES_SETTINGS = [
  'CGRATES_URL',
  'CGRATES_TENANT',
  'CGRATES_AWAY',
  'CGRATES_DEBIT_INTERVAL',
  'CGRATES_TIMEOUT',
] as const

const BIJSON_PORT = 2014

/** `undefined` when `CGRATES_URL` is not set. */
export function cgratesSettings(read: Reader): CgratesSettings | undefined {
  const address = read.value('CGRATES_URL', addressSetting)
  const tenant = read.value('CGRATES_TENANT', tenantSetting, 'cgrates.org')
  const away = read.value('CGRATES_AWAY', awaySetting, 'refuse')
  const intervalMs = read.value('CGRATES_DEBIT_INTERVAL', between(1000, 3_600_000, '30s'), '30s')
  const timeoutMs = read.value('CGRATES_TIMEOUT', between(100, 30_000, '2s'), '2s')
  return address && { address, tenant: tenant!, away: away!, intervalMs: intervalMs!, timeoutMs: timeoutMs! }
}

function addressSetting(text: string): Read<CgratesAddress> {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const fault = {
    ok: false,
    expected: 'tcp://host:port, or an http or https URL',
    remedy: 'write for example tcp://127.0.0.1:2014 or http://127.0.0.1:2080/jsonrpc',
    secret: true,
  } as const
  if (!url?.hostname || url.hash) return fault
  if (url.protocol === 'tcp:') return /^\/?$/.test(url.pathname) && !url.username ? tcp(url) : fault
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return fault
  const [user, password] = [unescaped(url.username), unescaped(url.password)]
  if (user === undefined || password === undefined) return fault
  url.username = ''
  url.password = ''
  const authorization = user === '' ? undefined : `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  return { ok: true, value: { kind: 'http', url: url.href, authorization } }
}

function tcp({ hostname, port }: URL): Read<CgratesAddress> {
  const host = hostname.replace(/^\[|\]$/g, '')
  return { ok: true, value: { kind: 'tcp', host, port: port === '' ? BIJSON_PORT : Number(port) } }
}

function tenantSetting(text: string): Read<string> {
  if (/^[\w.-]{1,128}$/.test(text)) return { ok: true, value: text }
  return {
    ok: false,
    expected: 'the name of a tenant: letters, digits, ".", "_", "-"',
    remedy: 'cgrates.org is what CGRateS begins with',
  }
}

function awaySetting(text: string): Read<'refuse' | 'pass'> {
  const value = text.toLowerCase()
  if (value === 'refuse' || value === 'pass') return { ok: true, value }
  return { ok: false, expected: 'refuse or pass', remedy: 'refuse makes no call that cannot be paid for' }
}

function between(least: number, most: number, usual: string): (text: string) => Read<number> {
  return (text) => {
    const ms = durationMs(text)
    if (ms !== undefined && ms >= least && ms <= most) return { ok: true, value: ms }
    const expected = `a duration from ${least / 1000}s to ${most / 1000}s`
    return { ok: false, expected, remedy: `${usual} is the usual one` }
  }
}
