import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { openUdpEar, openUdpLink } from '../../../gateway/media/udp-link.ts'

describe('sockets to rtpengines', () => {
  let far: Socket
  let port: number

  before(async () => {
    far = createSocket('udp4').bind(0, '127.0.0.1')
    await once(far, 'listening')
    port = far.address().port
  })
  after(() => far.close())

  test('what is sent before the socket is connected is sent, octet for octet, and so are answers', async () => {
    const octets = 'c1 \u0000\u00ff\r\n'
    const heard = Promise.withResolvers<string>()
    const link = openUdpLink('localhost', port, {
      receive: heard.resolve,
      failed: (why) => heard.reject(new Error(why)),
    })
    link.send(octets)
    const [got, from] = (await once(far, 'message')) as [Buffer, { address: string; port: number }]
    assert.equal(got.toString('latin1'), octets)
    assert.equal(link.address, '127.0.0.1')
    far.send(got, from.port, from.address)
    assert.equal(await heard.promise, octets)
    link.close()
    link.close()
  })

  test('nobody but the other side is heard', async () => {
    const heard: string[] = []
    const answered = Promise.withResolvers<void>()
    const link = openUdpLink('127.0.0.1', port, {
      receive: (text) => {
        heard.push(text)
        answered.resolve()
      },
      failed: () => {},
    })
    link.send('x')
    const [, from] = (await once(far, 'message')) as [Buffer, { port: number }]
    const stranger = createSocket('udp4')
    await new Promise((sent) => stranger.send('stranger', from.port, '127.0.0.1', sent))
    far.send('friend', from.port, '127.0.0.1')
    await answered.promise
    assert.deepEqual(heard, ['friend'])
    stranger.close()
    link.close()
  })

  test('a port that nobody listens on is told at once', async () => {
    const unused = createSocket('udp4').bind(0, '127.0.0.1')
    await once(unused, 'listening')
    const { port: closed } = unused.address()
    unused.close()
    const told = Promise.withResolvers<string>()
    const link = openUdpLink('127.0.0.1', closed, { receive: () => {}, failed: told.resolve })
    link.send('x')
    assert.match(await told.promise, /ECONNREFUSED/)
    link.close()
  })

  test('who sends unasked is named by the address it comes from; a port that is taken is a reason not to start', async () => {
    const heard = Promise.withResolvers<[string, string]>()
    const ear = await openUdpEar('127.0.0.1', 0, (text, from) => heard.resolve([text, from]))
    far.send('digit', ear.port, '127.0.0.1')
    assert.deepEqual(await heard.promise, ['digit', '127.0.0.1'])
    await assert.rejects(
      openUdpEar('127.0.0.1', ear.port, () => {}),
      /EADDRINUSE/,
    )
    ear.close()
  })
})
