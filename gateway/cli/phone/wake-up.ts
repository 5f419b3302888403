import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { PushMessage, PushResult } from '../../../functions/contract/push.ts'

/**
 * How a push reaches a simulated phone: its `pn-provider` is this name, its `pn-prid` says on which port of this machine it listens and
 * what it wants to hear there. Only `rouse dev` knows the provider.
 */
export const PHONE_PROVIDER = 'rouse-phone'

const PRID = /^(\d{1,5})-([0-9a-zA-Z]{16,64})$/
/** Milliseconds a phone may take to say that it has heard. */
const TIMEOUT_MS = 2000

export interface WakeUps {
  /** For the Contact. */
  readonly prid: string
  close(): void
}

/** What never sleeps in a phone: hears pushes, on a port of 127.0.0.1 that is free. */
export async function listenForPushes(secret: string, onPush: () => void): Promise<WakeUps> {
  const server = createServer((request, response) => {
    request.resume()
    const isMeant = request.method === 'POST' && request.url === `/${secret}`
    response.writeHead(isMeant ? 204 : 404, { connection: 'close' }).end()
    if (isMeant) onPush()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { prid: `${portOf(server)}-${secret}`, close: () => server.close() }
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

/** Sends a push to a simulated phone, on this machine and nowhere else. Always resolves; a phone that is gone has a dead token. */
export async function wakePhone({ prid }: PushMessage): Promise<PushResult> {
  const [, port, secret] = PRID.exec(prid) ?? []
  if (port === undefined) return { outcome: 'token_invalid', error: 'no simulated phone has such a token' }
  try {
    const url = `http://127.0.0.1:${port}/${secret}`
    const response = await fetch(url, { method: 'POST', signal: AbortSignal.timeout(TIMEOUT_MS) })
    return response.status === 204
      ? { outcome: 'accepted' }
      : { outcome: 'token_invalid', error: 'the simulated phone has another token now' }
  } catch (error) {
    const isSlow = error instanceof DOMException && error.name === 'TimeoutError'
    if (isSlow) return { outcome: 'failed', error: `the simulated phone did not answer within ${TIMEOUT_MS} ms` }
    return { outcome: 'token_invalid', error: 'the simulated phone is gone' }
  }
}
