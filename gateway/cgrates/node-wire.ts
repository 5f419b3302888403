import { createConnection } from 'node:net'
import { MAX_MESSAGE_OCTETS } from './json-stream.ts'
import type { Connect } from './tcp-rpc.ts'

/** TCP of Node. */
export function tcpConnect(host: string, port: number): Connect {
  return ({ opened, received, closed }) => {
    const socket = createConnection({ host, port, noDelay: true, keepAlive: true })
    let why = 'closed by the other side'
    let isOver = false
    socket.on('connect', opened)
    socket.on('data', (chunk: Buffer) => isOver || received(chunk))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      why = error.code ? `${error.syscall ?? 'connection'} ${error.code}` : error.message
    })
    socket.on('close', () => {
      if (!isOver) closed(why)
      isOver = true
    })
    return {
      write: (text) => void socket.write(text),
      destroy: () => {
        isOver = true
        socket.destroy()
      },
    }
  }
}

/** Gives the body of a 200, at most as long as a message may be. */
export function httpPost(
  url: string,
  authorization: string | undefined,
): (body: string, timeoutMs: number) => Promise<string> {
  const headers = { 'content-type': 'application/json', ...(authorization === undefined ? {} : { authorization }) }
  return async (body, timeoutMs) => {
    const signal = AbortSignal.timeout(timeoutMs)
    const response = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'error' }).catch(unreachable)
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new Error(`HTTP status ${response.status}`)
    }
    const chunks: Uint8Array[] = []
    let octets = 0
    for await (const chunk of response.body ?? []) {
      octets += chunk.length
      if (octets > MAX_MESSAGE_OCTETS) throw new Error('its answer is too long')
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString('utf8')
  }
}

/** `fetch failed` says nothing: its cause does. */
function unreachable(error: Error & { cause?: { code?: string } }): never {
  throw new Error(error.name === 'TimeoutError' ? 'no answer in time' : (error.cause?.code ?? error.message))
}
