import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { serveApi } from '../../../gateway/api/serve.ts'
import { FakeClock, settled } from '../../support/fake-clock.ts'

const APP = { fetch: () => new Response('hello') }

test('serves on the address it was given and says its URL', async () => {
  for (const host of ['127.0.0.1', '::1']) {
    const server = await serveApi(APP, { host, port: 0, clock: new FakeClock() })
    assert.equal(await (await fetch(server.url, { headers: { connection: 'close' } })).text(), 'hello')
    await server.close()
    await assert.rejects(fetch(server.url))
  }
})

test('a taken address is a sentence that names the setting', async () => {
  const clock = new FakeClock()
  const server = await serveApi(APP, { host: '127.0.0.1', port: 0, clock })
  const port = Number(new URL(server.url).port)
  await assert.rejects(
    serveApi(APP, { host: '127.0.0.1', port, clock }),
    /^Error: HTTP_LISTEN: cannot listen on .*EADDRINUSE/,
  )
  await server.close()
})

test('close lets a running request end', async () => {
  const clock = new FakeClock()
  const release = Promise.withResolvers<Response>()
  const arrived = Promise.withResolvers<void>()
  const fetching = () => {
    arrived.resolve()
    return release.promise
  }
  const server = await serveApi({ fetch: fetching }, { host: '127.0.0.1', port: 0, clock })
  const response = fetch(server.url, { headers: { connection: 'close' } })
  await arrived.promise
  const closed = server.close()
  release.resolve(new Response('late'))
  assert.equal(await (await response).text(), 'late')
  await closed
  assert.equal(clock.pending, 0)
})

test('close ends connections that outlast its deadline', async () => {
  const clock = new FakeClock()
  const server = await serveApi(APP, { host: '127.0.0.1', port: 0, clock })
  const socket = await connected(Number(new URL(server.url).port))
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n')
  const ended = new Promise((resolve) => socket.on('close', resolve))
  let isClosed = false
  const closed = server.close(1000).then(() => {
    isClosed = true
  })
  await settled(10)
  assert.equal(isClosed, false)
  clock.advanceSync(1000)
  await closed
  await ended
})

function connected(port: number): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.on('error', () => undefined)
  })
}
