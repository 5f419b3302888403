import type { Clock, Timer } from '../functions/contract/clock.ts'
import { readTextFile } from '../functions/push/read-file.ts'
import { isPem, type TlsFiles } from './config-tls.ts'
import type { Log } from './observe/log.ts'
import type { TlsIdentity } from './transport/node-tls.ts'

/** How often the files are looked at: a renewed certificate comes days before the old one ends. Milliseconds. */
const LOOK_MS = 60_000

/**
 * Reads the certificate of the TLS listeners, and again when it has changed.
 * @throws a sentence when a file cannot be read
 */
export function openTls(files: TlsFiles, clock: Clock, log: Log) {
  const read = (): TlsIdentity => ({
    cert: textOf(files.cert, 'SIP_TLS_CERT'),
    key: textOf(files.key, 'SIP_TLS_KEY'),
    ca: files.ca === undefined ? undefined : textOf(files.ca, 'SIP_TLS_CA'),
  })
  const identity = read()
  return {
    identity,
    /**
     * @param renew gets what has changed; when it throws, as with a key that goes with another certificate, the next look tries again
     * @returns ends it
     */
    watch(renew: (identity: TlsIdentity) => void): () => void {
      let used = JSON.stringify(identity)
      let timer: Timer
      const look = () => {
        timer = clock.after(LOOK_MS, look)
        try {
          const now = read()
          const text = JSON.stringify(now)
          if (text === used) return
          renew(now)
          used = text
          log.info('the TLS certificate has been renewed')
        } catch (error) {
          log.warn('the TLS certificate cannot be renewed', { error: String(error) })
        }
      }
      timer = clock.after(LOOK_MS, look)
      return () => timer.cancel()
    },
  }
}

function textOf(value: string, setting: string): string {
  const text = isPem(value) ? value : readTextFile(value)
  if (text === undefined) throw new Error(`${setting}: ${value} cannot be read`)
  return text
}
