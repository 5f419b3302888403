import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIP } from 'node:net'
import type { OpenEar, OpenLink } from './link.ts'

/** Connected, so that the kernel takes datagrams from there alone, and tells when nobody listens. */
export const openUdpLink: OpenLink = (host, port, { receive, failed }) => {
  const socket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4')
  let waiting: string[] | undefined = []
  let address: string | undefined
  let isClosed = false
  const send = (datagram: string) => socket.send(Buffer.from(datagram, 'latin1'))
  socket.on('message', (octets) => receive(octets.toString('latin1')))
  socket.on('error', (error) => void (isClosed || failed(error.message)))
  socket.connect(port, host, (error?: Error) => {
    if (isClosed) return
    if (error) return failed(error.message)
    address = plainAddress(socket.remoteAddress().address)
    for (const datagram of waiting ?? []) send(datagram)
    waiting = undefined
  })
  return {
    send: (datagram) => {
      if (waiting) waiting.push(datagram)
      else if (!isClosed) send(datagram)
    },
    get address() {
      return address
    },
    close: () => {
      if (isClosed) return
      isClosed = true
      socket.close()
    },
  }
}

export const openUdpEar: OpenEar = async (host, port, receive) => {
  const socket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4')
  socket.on('message', (octets, { address }) => receive(octets.toString('latin1'), plainAddress(address)))
  socket.bind(port, host)
  await once(socket, 'listening')
  // What one datagram does to the socket is no reason to stop.
  socket.on('error', () => {})
  return { port: socket.address().port, close: () => socket.close() }
}

/** An IPv4 address is written in one way. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address
}
