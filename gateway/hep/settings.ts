import type { Read, Reader } from '../../functions/contract/settings.ts'
import { hostPort, nameSetting } from '../config-values.ts'

/** What this room reads from the environment. */

/** Where the collector is. */
export interface HepUrl {
  transport: 'udp' | 'tcp' | 'tls'
  /** Name, or IP literal without brackets. */
  host: string
  port: number
}

export interface HepSettings {
  /** `HEP_URL`; port 9060 when it names none. */
  url: HepUrl
  /** `HEP_AGENT_ID`, 0 to 4,294,967,295, default 2001. */
  agentId: number
  /** `HEP_AUTH_KEY`, visible ASCII, 1 to 128 characters; default none. */
  authKey: string | undefined
  /** `HEP_NODE`, default `GATEWAY_ID`; as that. */
  node: string
  /** `HEP_MAX_BYTES`, octets of one packet, 1,024 to 65,507, default 8,192. */
  maxBytes: number
}

export const HEP_SETTINGS = ['HEP_URL', 'HEP_AGENT_ID', 'HEP_AUTH_KEY', 'HEP_NODE', 'HEP_MAX_BYTES'] as const

const DEFAULT_PORT = 9060

/** @returns `undefined` without `HEP_URL`: HEP is off */
export function hepSettings(read: Reader, gatewayId: string): HepSettings | undefined {
  const url = read.value('HEP_URL', hepUrl)
  const agentId = read.value('HEP_AGENT_ID', agentIdSetting, '2001')
  const authKey = read.value('HEP_AUTH_KEY', authKeySetting)
  const node = read.value('HEP_NODE', nameSetting) ?? gatewayId
  const maxBytes = read.value('HEP_MAX_BYTES', maxBytesSetting, '8192')
  if (!url || agentId === undefined || maxBytes === undefined) return undefined
  return { url, agentId, authKey, node, maxBytes }
}

function hepUrl(text: string): Read<HepUrl> {
  const [, scheme = '', rest = ''] = /^([a-z]+):\/\/(.*?)\/?$/i.exec(text) ?? []
  const transport = scheme.toLowerCase()
  const at = hostPort(rest)
  if ((transport !== 'udp' && transport !== 'tcp' && transport !== 'tls') || !at.ok || at.value.port === 0) {
    const remedy = 'write for example udp://homer.example.com:9060; the key goes into HEP_AUTH_KEY'
    return { ok: false, expected: 'udp://, tcp:// or tls:// with host and port', remedy, secret: rest.includes('@') }
  }
  return { ok: true, value: { transport, host: at.value.host, port: at.value.port ?? DEFAULT_PORT } }
}

function agentIdSetting(text: string): Read<number> {
  const id = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (id <= 0xffffffff) return { ok: true, value: id }
  const remedy = 'write for example 2001: Homer shows by it which agent a packet came from'
  return { ok: false, expected: 'a whole number from 0 to 4294967295', remedy }
}

function authKeySetting(text: string): Read<string> {
  if (/^[\x21-\x7e]{1,128}$/.test(text)) return { ok: true, value: text }
  const remedy = 'write it as the collector has it'
  return { ok: false, expected: '1 to 128 visible ASCII characters', remedy, secret: true }
}

function maxBytesSetting(text: string): Read<number> {
  const bytes = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (bytes >= 1024 && bytes <= 65_507) return { ok: true, value: bytes }
  const remedy = '8192 is what heplify-server takes, which drops longer packets and closes their connection'
  return { ok: false, expected: 'octets from 1024 to 65507', remedy }
}
