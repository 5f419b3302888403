import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { createRedisStore } from '../../../functions/store/redis/tcp.ts'
import { createRandomIds, systemClock } from '../../../gateway/system.ts'
import { eventually } from '../../interop/program.ts'

test('a store that is closed while its connection opens leaves none behind', { timeout: 20_000 }, async () => {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('data', () => socket.write('+OK\r\n'))
    socket.on('error', () => {})
    socket.on('close', () => open.delete(socket))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const came = once(server, 'connection')
  const store = createRedisStore({
    url: `redis://127.0.0.1:${port}`,
    prefix: 'closing:',
    clock: systemClock,
    ids: createRandomIds(),
  })
  await store.close()
  await came
  try {
    await eventually('the connection to be closed', async () => open.size === 0 || undefined)
  } finally {
    server.close()
  }
})
