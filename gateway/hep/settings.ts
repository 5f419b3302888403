import type { Read, Reader } from '../../functions/contract/settings.ts'
import type { Agent } from './packet.ts'

export interface HepSettings {
  /** `HEP_URL`, `udp://host:port` or `tcp://host:port`; the port defaults to 9060. */
  collector: Collector
  /** `HEP_AGENT_ID`, default 2001; `HEP_NODE`, default the gateway's id; `HEP_AUTH_KEY`, default none. */
  agent: Agent
}

export interface Collector {
  transport: 'udp' | 'tcp'
  /** Name or IP literal, IPv6 without brackets. */
  host: string
  port: number
}

/** Every setting that is read here. */
export const HEP_SETTINGS = ['HEP_URL', 'HEP_AGENT_ID', 'HEP_NODE', 'HEP_AUTH_KEY'] as const

const DEFAULT_PORT = 9060

/** @returns undefined: nothing is captured */
export function hepSettings(read: Reader, gatewayId: string): HepSettings | undefined {
  const collector = read.value('HEP_URL', collectorSetting)
  const id = read.value('HEP_AGENT_ID', agentIdSetting, '2001') ?? 0
  const node = read.value('HEP_NODE', nodeSetting) ?? gatewayId
  const authKey = read.value('HEP_AUTH_KEY', authKeySetting) ?? ''
  return collector && { collector, agent: { id, node, authKey } }
}

function collectorSetting(text: string): Read<Collector> {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const transport = url?.protocol.slice(0, -1)
  const isRight = (transport === 'udp' || transport === 'tcp') && url!.hostname !== '' && /^\/?$/.test(url!.pathname)
  if (isRight && !url!.username && !url!.search && !url!.hash) {
    const host = url!.hostname.replace(/^\[(.*)\]$/, '$1')
    return { ok: true, value: { transport, host, port: url!.port === '' ? DEFAULT_PORT : Number(url!.port) } }
  }
  return {
    ok: false,
    expected: 'udp:// or tcp:// with host and port',
    remedy: 'write for example udp://127.0.0.1:9060',
  }
}

function agentIdSetting(text: string): Read<number> {
  const id = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (id <= 0xff_ff_ff_ff) return { ok: true, value: id }
  return { ok: false, expected: 'a number from 0 to 4294967295', remedy: 'write for example 2001' }
}

function nodeSetting(text: string): Read<string> {
  if (/^[\x20-\x7e]{1,128}$/.test(text)) return { ok: true, value: text }
  return { ok: false, expected: 'up to 128 characters of ASCII', remedy: 'write for example gw-1' }
}

function authKeySetting(text: string): Read<string> {
  if (/^[\x21-\x7e]{1,255}$/.test(text)) return { ok: true, value: text }
  return { ok: false, expected: 'up to 255 characters of ASCII', remedy: 'take the key of the collector', secret: true }
}
