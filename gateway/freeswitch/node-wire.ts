import { connect } from 'node:net'
import type { Connect } from './wire.ts'

/** An idle connection whose other end is gone without a word is looked after from then on. Milliseconds. */
const KEEP_ALIVE_MS = 30_000

/** The system's sockets. */
export const connectNode: Connect = (host, port, events) => {
  const options = { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }
  const socket = connect({ host, port, ...options })
  let why = 'it has closed the connection'
  let isOver = false
  socket.on('data', (octets) => isOver || events.received(octets))
  socket.on('error', (error: NodeJS.ErrnoException) => {
    why = error.code === undefined ? error.message : `${error.syscall ?? 'connection'} ${error.code}`
  })
  socket.on('close', () => isOver || events.closed(why))
  return {
    write: (text) => void socket.write(text),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end: () => void socket.end(),
    destroy: () => {
      isOver = true
      socket.destroy()
    },
  }
}
