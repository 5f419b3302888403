import type { Result } from '../../functions/contract/problem.ts'
import { type Read, Reader } from '../../functions/contract/settings.ts'
import { hostPort, tokenSetting } from '../../gateway/config-values.ts'
import type { RedisAddress } from './redis-link.ts'
import { tokenFault, type UpstashLocalOptions } from './server.ts'

/**
 * Reads `REDIS_URL` (default `redis://127.0.0.1:6379`), `UPSTASH_LOCAL_LISTEN` (default `127.0.0.1:8079`) and
 * `UPSTASH_LOCAL_TOKEN` (default none).
 * @returns the options, or a sentence for every mistake
 */
export function readSettings(env: NodeJS.ProcessEnv): Result<UpstashLocalOptions, string[]> {
  const read = new Reader(env)
  const redis = read.value('REDIS_URL', redisSetting, 'redis://127.0.0.1:6379')
  const listen = read.value('UPSTASH_LOCAL_LISTEN', listenSetting, '127.0.0.1:8079')
  const token = read.value('UPSTASH_LOCAL_TOKEN', tokenSetting)
  const hasToken = token !== undefined || read.faults.some(({ setting }) => setting === 'UPSTASH_LOCAL_TOKEN')
  const missing = listen && !hasToken ? tokenFault(listen) : undefined
  const problem = [...read.faults.map(({ message }) => message), ...(missing ? [missing] : [])]
  return redis && listen && problem.length === 0
    ? { ok: true, value: { redis, listen, token } }
    : { ok: false, problem }
}

function listenSetting(text: string): Read<UpstashLocalOptions['listen']> {
  const read = hostPort(text)
  return read.ok ? { ok: true, value: { host: read.value.host, port: read.value.port ?? 8079 } } : read
}

/** `redis://user:password@host:port/db`, of which only the host has to be there. */
function redisSetting(text: string): Read<RedisAddress> {
  const remedy = 'write for example redis://127.0.0.1:6379 or redis://user:password@host:6379/0'
  const fault = { ok: false, expected: 'redis://host:port', remedy, secret: text.includes('@') } as const
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'rediss:') return { ...fault, remedy: 'TLS is not in this version: name a Redis without it' }
  const [, db] = /^\/?(\d{0,5})$/.exec(url?.pathname ?? '') ?? []
  if (url?.protocol !== 'redis:' || url.hostname === '' || db === undefined || url.search || url.hash) return fault
  try {
    const [username, password] = [url.username, url.password].map(decodeURIComponent)
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
    return { ok: true, value: { host, port: Number(url.port || 6379), username, password, db: Number(db) } }
  } catch {
    return { ...fault, remedy: 'the user or the password has a % that is no escape: write it as %25' }
  }
}
