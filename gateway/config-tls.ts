import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { Fault, Read, Reader } from '../functions/contract/settings.ts'
import { readTextFile } from '../functions/push/read-file.ts'
import type { ListenSetting } from './config-values.ts'
import { isEncrypted } from './transport/addresses.ts'

/** What TLS listeners show and trust: PEM, or the path of a file with it, which is read anew when it changes. */
export interface TlsFiles {
  /** `SIP_TLS_CERT`: the certificate, then those that lead to its root. */
  cert: string
  /** `SIP_TLS_KEY` */
  key: string
  /** `SIP_TLS_CA`: roots to trust besides the usual ones; default none. */
  ca: string | undefined
}

export function tlsConfig(read: Reader): TlsFiles | undefined {
  const cert = read.value('SIP_TLS_CERT', certificateFile)
  const key = read.value('SIP_TLS_KEY', keyFile)
  const ca = read.value('SIP_TLS_CA', certificateFile)
  return cert !== undefined && key !== undefined ? { cert, key, ca } : undefined
}

/** What a TLS listener needs, and what needs one. */
export function tlsFaults(read: Reader, listen: readonly ListenSetting[]): Fault[] {
  const isAsked = listen.some(({ transport }) => isEncrypted(transport))
  const faults: Fault[] = []
  for (const setting of ['SIP_TLS_CERT', 'SIP_TLS_KEY']) {
    if (isAsked === read.has(setting)) continue
    const message = isAsked
      ? `${setting}: expected PEM, or a file with it, since SIP_LISTEN has a tls:// or wss:// listener; got nothing. Set it, or take the listener out`
      : `${setting}: expected nothing, since SIP_LISTEN has no tls:// or wss:// listener, got a value; add for example tls://192.0.2.1:5061, or unset it`
    faults.push({ setting, message })
  }
  return faults
}

function certificateFile(setting: string): Read<string> {
  return pemFile(setting, 'a certificate', (text) => new X509Certificate(text))
}

function keyFile(setting: string): Read<string> {
  return pemFile(setting, 'a private key without a passphrase', (text) => createPrivateKey(text))
}

/** @returns the setting as it is */
function pemFile(setting: string, what: string, check: (text: string) => unknown): Read<string> {
  const isText = isPem(setting)
  const expected = `${what} in PEM, or a file with it`
  const fault = { ok: false, expected, remedy: 'name a file that can be read', secret: isText } as const
  const text = isText ? setting : readTextFile(setting)
  if (text === undefined) return fault
  try {
    check(text)
    return { ok: true, value: setting }
  } catch {
    return fault
  }
}

/** Rather than the path of a file. */
export function isPem(setting: string): boolean {
  return setting.startsWith('-----BEGIN ')
}
