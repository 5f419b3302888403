/**
 * CPU of the transport layer alone: `node test/bench/transport.ts [datagrams]`.
 * A child process echoes every message through a layer of its own; the parent keeps a window of them in the air, so that
 * both are busy. The child reports its own user and system time, which is receive plus send and nothing else.
 */
import { fork } from 'node:child_process'
import type { Clock } from '../../functions/contract/clock.ts'
import { createTransportLayer } from '../../gateway/transport/layer.ts'
import { createNodeNetwork } from '../../gateway/transport/node-network.ts'
import type { Destination, TransportLayer, TransportName } from '../../gateway/transport/types.ts'

const WINDOW = 64
const MESSAGE = `INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: 1000\r\n\r\n${'x'.repeat(1000)}`

const clock: Clock = {
  now: () => Date.now(),
  after: (ms, action) => {
    const timer = setTimeout(action, ms)
    return { cancel: () => clearTimeout(timer) }
  },
}

function openLayer(): TransportLayer {
  const listeners = (['udp', 'tcp'] as const).map((transport) => ({
    transport,
    address: '127.0.0.1',
    port: 0,
    advertisedHost: '127.0.0.1',
    advertisedPort: 0,
  }))
  return createTransportLayer({ network: createNodeNetwork(), clock, listeners })
}

async function echo(): Promise<void> {
  const layer = openLayer()
  let failures = 0
  const failed = (): void => {
    failures++
  }
  await layer.start(
    (text, flow) => layer.send(text, flow, failed),
    () => process.exit(1),
  )
  process.on('message', () => process.send!({ cpu: process.cpuUsage(), failures }))
  process.send!({ ports: layer.listeners.map(({ port }) => port) })
}

async function drive(count: number): Promise<void> {
  const child = fork(import.meta.filename, ['echo'])
  const ask = <Answer>(): Promise<Answer> =>
    new Promise((resolve) => child.once('message', (m) => resolve(m as Answer)))
  const { ports } = await ask<{ ports: number[] }>()
  const usage = async (): Promise<number> => {
    const answer = ask<{ cpu: NodeJS.CpuUsage }>()
    child.send('usage')
    const { cpu } = await answer
    return cpu.user + cpu.system
  }
  for (const [index, transport] of (['udp', 'tcp'] as const).entries()) {
    await bounce(transport, ports[index]!, count / 5)
    const before = await usage()
    const started = performance.now()
    await bounce(transport, ports[index]!, count)
    const seconds = (performance.now() - started) / 1000
    const micros = (await usage()) - before
    console.log(
      `${transport}: ${(micros / count).toFixed(2)} µs CPU per message received and sent, ${Math.round(count / seconds)} a second`,
    )
  }
  child.kill()
}

/** Sends `count` messages, `WINDOW` of them in the air, and waits for each to come back. */
async function bounce(transport: TransportName, remotePort: number, count: number): Promise<void> {
  const layer = openLayer()
  const destination: Destination = { transport, remoteAddress: '127.0.0.1', remotePort }
  const done = Promise.withResolvers<void>()
  let sent = 0
  let back = 0
  const send = (): void => {
    sent++
    layer.send(MESSAGE, destination)
  }
  await layer.start(
    () => {
      if (++back >= count) done.resolve()
      else if (sent < count) send()
    },
    () => done.reject(new Error('the stream broke')),
  )
  for (let message = 0; message < Math.min(WINDOW, count); message++) send()
  await done.promise
  await layer.stop()
}

if (process.argv[2] === 'echo') await echo()
else await drive(Number(process.argv[2] ?? 100_000))
