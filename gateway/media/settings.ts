import { isIP } from 'node:net'
import { durationMs } from '../../functions/contract/duration.ts'
import type { Read, Reader } from '../../functions/contract/settings.ts'

/** Where one rtpengine is. */
export interface EngineSetting {
  /** `127.0.0.1:22222`, `[2001:db8::1]:22222` */
  name: string
  /** IP literal, IPv6 without brackets, or a host name. */
  host: string
  port: number
  weight: number
}

/** Relaying of media. Times in milliseconds. */
export interface MediaSettings {
  /** `RTPENGINE_URL`, `udp://host:port;weight=n`, comma separated, at most 32; port 22222 and weight 1 unless said. */
  engines: EngineSetting[]
  /** `RTPENGINE_DTMF_LISTEN`, `udp://address:port`: where they send their DTMF logs; default none. */
  dtmf: { host: string; port: number } | undefined
  /** `RTPENGINE_TIMEOUT`, how long one of them is waited for; default `1s`, from 100 ms to 10 s. */
  timeoutMs: number
  /** `RTPENGINE_PING`, how often each is asked whether it is there; default `2s`, from 100 ms to 60 s. */
  pingMs: number
}

export const MEDIA_SETTINGS = ['RTPENGINE_URL', 'RTPENGINE_DTMF_LISTEN', 'RTPENGINE_TIMEOUT', 'RTPENGINE_PING'] as const

const DEFAULT_PORT = 22222
const MAX_ENGINES = 32
const EXAMPLE = 'write for example udp://127.0.0.1:22222, or udp://10.0.0.1:22222;weight=2,udp://10.0.0.2:22222'

/** @returns undefined when nothing is relayed */
export function mediaSettings(read: Reader): MediaSettings | undefined {
  const engines = read.value('RTPENGINE_URL', enginesSetting)
  const dtmf = read.value('RTPENGINE_DTMF_LISTEN', dtmfSetting)
  const timeoutMs = read.value('RTPENGINE_TIMEOUT', durationSetting(100, 10_000, '800ms'), '1s') ?? 0
  const pingMs = read.value('RTPENGINE_PING', durationSetting(100, 60_000, '5s'), '2s') ?? 0
  const setting = 'RTPENGINE_DTMF_LISTEN'
  if (read.has(setting) && !read.has('RTPENGINE_URL')) {
    const message = `${setting}: expected RTPENGINE_URL as well, since digits are taken from the rtpengines that it names; got nothing. Set RTPENGINE_URL, or unset ${setting}`
    read.faults.push({ setting, message })
  }
  return engines && { engines, dtmf, timeoutMs, pingMs }
}

function enginesSetting(text: string): Read<EngineSetting[]> {
  const engines: EngineSetting[] = []
  for (const part of text.split(',').map((each) => each.trim())) {
    if (part === '') continue
    const engine = engineOf(part)
    if (!engine) return { ok: false, expected: 'udp://host:port, and ;weight=1 to 1000', got: part, remedy: EXAMPLE }
    if (engines.some(({ name }) => name === engine.name))
      return { ok: false, expected: 'each rtpengine once', got: part, remedy: 'take one of the two out' }
    engines.push(engine)
  }
  if (engines.length > 0 && engines.length <= MAX_ENGINES) return { ok: true, value: engines }
  return { ok: false, expected: `1 to ${MAX_ENGINES} rtpengines`, remedy: EXAMPLE }
}

function engineOf(part: string): EngineSetting | undefined {
  const [url = '', ...params] = part.split(';')
  const at = hostPort(url, /^([a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?)(?::(\d{1,5}))?$/i)
  if (!at || at.port === 0 || params.length > 1) return undefined
  const weight = params.length === 0 ? 1 : Number(/^weight=([1-9]\d{0,3})$/.exec(params[0]!)?.[1] ?? Number.NaN)
  if (!(weight <= 1000)) return undefined
  const port = at.port ?? DEFAULT_PORT
  return { name: `${at.host.includes(':') ? `[${at.host}]` : at.host}:${port}`, host: at.host, port, weight }
}

function dtmfSetting(text: string): Read<{ host: string; port: number }> {
  const at = hostPort(text, /^([\d.]+)(?::(\d{1,5}))$/)
  if (at?.port !== undefined && isIP(at.host) !== 0) return { ok: true, value: { host: at.host, port: at.port } }
  const remedy = 'write for example udp://127.0.0.1:22223, and start rtpengine with --dtmf-log-dest=127.0.0.1:22223'
  return { ok: false, expected: 'udp:// with an IP address and a port', remedy }
}

/** @param plain what it looks like unless it is IPv6 */
function hostPort(url: string, plain: RegExp): { host: string; port: number | undefined } | undefined {
  const rest = /^udp:\/\/(.+)$/i.exec(url)?.[1]?.toLowerCase() ?? ''
  const [, host = '', port] = /^\[([0-9a-f:.]+)\](?::(\d{1,5}))?$/.exec(rest) ?? plain.exec(rest) ?? []
  const isHost = host.includes(':') ? isIP(host) === 6 : !/^[\d.]+$/.test(host) || isIP(host) === 4
  if (host === '' || !isHost || Number(port ?? 0) > 65_535) return undefined
  return { host, port: port === undefined ? undefined : Number(port) }
}

function durationSetting(from: number, to: number, example: string): (text: string) => Read<number> {
  return (text) => {
    const ms = durationMs(text)
    if (ms !== undefined && ms >= from && ms <= to) return { ok: true, value: ms }
    return { ok: false, expected: `a time from ${from}ms to ${to / 1000}s`, remedy: `write for example ${example}` }
  }
}
