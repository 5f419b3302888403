import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { createServer } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { absent } from '../peers.ts'
import { Device, type Stage } from './cast.ts'
import { Gateway } from './gateway.ts'
import { KamailioReceiver, type Seen, SngrepReceiver } from './hep-receivers.ts'
import { host } from './network.ts'
import { eventually } from './program.ts'
import { PushServer } from './push-server.ts'
import { ANSWERS, PROGRESS, RINGS, TALKS } from './scenes.ts'
import * as step from './sipp-steps.ts'
import { Started } from './started.ts'

const PORT = 27_900
const KEY = 'homer-key-1'
const RECEIVER = host(12)
const AGENT = { HEP_AUTH_KEY: KEY, HEP_AGENT_ID: '4000000001', HEP_NODE: 'interop' }

for (const way of ['udp', 'tcp'] as const)
  describe(`HEP over ${way.toUpperCase()} to Kamailio's sipcapture`, { skip: absent('sipp', 'kamailio') }, () => {
    const started = new Started()
    let gateway: Gateway
    let receiver: KamailioReceiver
    let pushes: PushServer
    let users = 0

    before(async () => {
      pushes = await started.keep(PushServer.start(host(9)))
      const [address, push] = [host(1), { PUSH_WEBHOOK_URL: pushes.url }]
      const listen = { SIP_LISTEN: `udp://${address}:5060,tcp://${address}:5060,udp://[::1]:${PORT + 10}` }
      const env = { ...AGENT, ...listen, ...push, HEP_URL: `${way}://${RECEIVER}:${PORT}` }
      gateway = await Gateway.start({ functions: 'test/interop/apps/short-push-wake-up.ts', env })
      started.add(() => (gateway.program.isRunning ? gateway.stop() : undefined))
    })
    after(() => started.stop())

    it('a receiver that is absent delays no call, and readiness says so', async () => {
      await aCall('udp')
      assert.match(await health(gateway), /^away: /)
      assert.equal(await gateway.metric('rouse_integration_up{name="hep"}'), 0)
      assert.equal((await fetch(gateway.url('/readyz'))).status, 200)
    })

    it('once it is there it gets what comes, and over a connection what has waited for it', async () => {
      receiver = await started.keep(KamailioReceiver.start(RECEIVER, PORT))
      const { alice } = await aCall('udp')
      if (way === 'tcp') await receiver.has('the call of before', (packets) => byes(packets) === 4)
      await callOf(alice)
      await eventually('all is well', async () =>
        /^(sending|connected) to /.test(await health(gateway)) ? true : undefined,
      )
      assert.equal(await gateway.metric('rouse_integration_up{name="hep"}'), 1)
      assert.ok((await gateway.metric('rouse_hep_packets_total{result="sent"}')) >= receiver.packets.length)
    })

    for (const transport of ['udp', 'tcp'] as const)
      it(`a call over ${transport.toUpperCase()}: every message with its ends, on one Call-ID with events and invocations`, async () => {
        const { alice, bob } = await aCall(transport)
        const call = await callOf(alice)
        const { src: caller } = call[0]!
        const router = gateway.router
        const messages = call.filter(({ type }) => type === 1)
        const proto = transport === 'udp' ? 17 : 6
        assert.ok(call.every((packet) => packet.family === 2 && packet.agent === 4_000_000_001 && packet.key === KEY))
        assert.ok(messages.every((packet) => packet.proto === proto))
        const callee = `${bob.address}:5060`
        const ownEnd = messages.find(({ dst }) => dst === callee)!.src
        if (transport === 'udp') assert.equal(ownEnd, router)
        else assert.match(ownEnd, new RegExp(`^${gateway.address.replaceAll('.', '\\.')}:(?!5060$)\\d+$`))
        const drawn = messages.map(({ src, dst, payload }) => `${src} -> ${dst} ${labelOf(payload)}`)
        assert.deepEqual(
          drawn.filter((line) => !line.endsWith('100 INVITE')),
          [
            `${caller} -> ${router} INVITE`,
            `${ownEnd} -> ${callee} INVITE`,
            `${callee} -> ${ownEnd} 180 INVITE`,
            `${router} -> ${caller} 180 INVITE`,
            `${callee} -> ${ownEnd} 200 INVITE`,
            `${router} -> ${caller} 200 INVITE`,
            `${caller} -> ${router} ACK`,
            `${ownEnd} -> ${callee} ACK`,
            `${caller} -> ${router} BYE`,
            `${ownEnd} -> ${callee} BYE`,
            `${callee} -> ${ownEnd} 200 BYE`,
            `${router} -> ${caller} 200 BYE`,
          ],
        )
        const notes = call.filter(({ type }) => type === 100).map(({ payload }) => JSON.parse(payload))
        const names = notes.map(({ event, invocation }) => invocation ?? event)
        for (const name of [
          'call.ringing',
          'call.answered',
          'call.ended',
          'cdr.created',
          `/invite/example.com/${bob.user}`,
        ])
          assert.ok(names.includes(name), `${name} in ${names}`)
        const times = call.map(({ at }) => at)
        assert.deepEqual(times, times.toSorted())
        assert.equal(new Set(times).size, times.length)
        assert.ok(Math.abs(Number(times[0]) - Date.now() / 1000) < 60)
      })

    it('a phone that is woken: the push and its REGISTER leave no token, the call shows what woke it', async () => {
      const stage: Stage = { transport: 'udp', router: gateway.router, domain: 'example.com' }
      const alice = new Device(stage, 'alice', 'alice')
      const phone = new Device(stage, 'phone', `carol${++users}`)
      await phone.registers({ push: 'token-SECRET', port: 5062 })
      const calling = alice.calls(phone.user, [step.invite(), PROGRESS, ...TALKS])
      assert.equal((await pushes.next(phone.user)).prid, 'token-SECRET')
      const woken = await phone.plays([...RINGS, ...ANSWERS])
      await phone.registers({ push: 'token-SECRET' })
      await Promise.all([calling, woken.succeeds()])
      const call = await callOf(alice)
      const notes = call.filter(({ type }) => type === 100).map(({ payload }) => JSON.parse(payload))
      assert.ok(notes.some(({ event }) => event === 'push.accepted'))
      assert.ok(notes.some(({ invocation, event }) => invocation && event === 'contact.registered'))
      const registers = receiver.packets.filter(({ payload }) => payload.startsWith('REGISTER'))
      assert.ok(registers.some(({ payload }) => payload.includes('pn-provider=webhook;pn-prid=redacted')))
      assert.doesNotMatch(JSON.stringify(receiver.packets), /SECRET/)
      assert.doesNotMatch(gateway.program.output, new RegExp(KEY))
    })

    it('the port of a connection is the one it really has', async () => {
      const address = host(13)
      const socket = connect({ host: gateway.address, port: 5060, localAddress: address })
      await new Promise((resolve) => socket.once('connect', resolve))
      const end = `${address}:${socket.localPort}`
      socket.write(options(`SIP/2.0/TCP ${end}`, gateway.address, `port-${way}`))
      const both = (packets: Seen[]) => packets.filter(({ callId }) => callId === `port-${way}`)
      const packets = both(await receiver.has('both messages', (all) => both(all).length === 2))
      assert.deepEqual(
        packets.map(({ src, dst, proto }) => `${proto} ${src} ${dst}`),
        [`6 ${end} ${gateway.router}`, `6 ${gateway.router} ${end}`],
      )
      socket.destroy()
    })

    it('so are the addresses over IPv6', async () => {
      const socket = createSocket('udp6')
      await new Promise<void>((resolve) => socket.bind(0, '::1', resolve))
      const end = `[::1]:${socket.address().port}`
      const router = `[::1]:${PORT + 10}`
      socket.send(options(`SIP/2.0/UDP ${end}`, router, `six-${way}`), PORT + 10, '::1')
      const both = (packets: Seen[]) => packets.filter(({ callId }) => callId === `six-${way}`)
      const packets = both(await receiver.has('both messages', (all) => both(all).length === 2))
      assert.deepEqual(
        packets.map(({ family, src, dst, proto }) => `${family} ${proto} ${src} ${dst}`),
        [`10 17 ${end} ${router}`, `10 17 ${router} ${end}`],
      )
      socket.close()
    })

    it('it dies and comes back: calls go on, and it gets what comes after', async () => {
      await receiver.stop()
      await aCall('udp')
      await eventually('its death is noticed', async () => (/^away: /.test(await health(gateway)) ? true : undefined))
      receiver = await started.keep(KamailioReceiver.start(RECEIVER, PORT))
      const { alice } = await aCall('udp')
      await callOf(alice)
      await eventually('all is well', async () =>
        /^(sending|connected) to /.test(await health(gateway)) ? true : undefined,
      )
    })

    it('what is held when the gateway stops goes out first', async () => {
      const { alice } = await aCall('udp')
      await gateway.stop()
      await callOf(alice)
    })

    /** alice calls somebody who answers; both talk for a moment. */
    async function aCall(transport: 'udp' | 'tcp'): Promise<{ alice: Device; bob: Device }> {
      const stage: Stage = { transport, router: gateway.router, domain: 'example.com' }
      const [alice, bob] = [new Device(stage, 'alice', 'alice'), new Device(stage, 'bob', `bob${++users}`)]
      await bob.registers()
      const ringing = await bob.plays([...RINGS, ...ANSWERS])
      await Promise.all([alice.calls(bob.user, [step.invite(), PROGRESS, ...TALKS]), ringing.succeeds()])
      return { alice, bob }
    }

    /** All packets of the call that this device has made, once it is over. */
    async function callOf(alice: Device): Promise<Seen[]> {
      const of = (packets: Seen[]) => {
        const invite = packets.find(
          ({ src, payload }) => src.startsWith(`${alice.address}:`) && /^INVITE/.test(payload),
        )
        return packets.filter(({ callId }) => callId === invite?.callId)
      }
      const isOver = (packets: Seen[]) => of(packets).some(({ payload }) => payload.includes('"cdr.created"'))
      return of(await receiver.has('the whole call', isOver))
    }
  })

describe('HEP over UDP to sngrep', { skip: absent('sipp', 'sngrep', 'tshark') }, () => {
  const started = new Started()
  after(() => started.stop())

  it('takes every message with the right key, and none without; Wireshark reads them as SIP with their addresses', async () => {
    const receiver = await started.keep(SngrepReceiver.start(RECEIVER, PORT, KEY))
    const strict = await started.keep(SngrepReceiver.start(RECEIVER, PORT + 1, 'another key'))
    const [gateway, other] = await Promise.all(
      [host(1), host(2)].map((address, index) =>
        Gateway.start({ address, env: { ...AGENT, HEP_URL: `udp://${RECEIVER}:${PORT + index}` } }),
      ),
    )
    started.add(() => Promise.all([gateway, other].map((one) => one!.program.stop())))
    for (const { router } of [gateway!, other!]) {
      const stage: Stage = { transport: 'udp', router, domain: 'example.com' }
      const [alice, bob] = [new Device(stage, 'alice', 'alice'), new Device(stage, 'bob', 'bob')]
      await bob.registers()
      const ringing = await bob.plays([...RINGS, ...ANSWERS])
      await Promise.all([alice.calls('bob', [step.invite(), PROGRESS, ...TALKS]), ringing.succeeds()])
    }
    await Promise.all([gateway!.stop(), other!.stop()])
    const messages = (await receiver.messages()).map((line) => line.split('\t'))
    const invite = messages.find(([, , , , , method]) => method === 'INVITE')!
    const call = messages.filter(([, , , , , , , callId]) => callId === invite[7])
    assert.deepEqual(
      call.map(([, , , , , method, status]) => method || status).filter((what) => what !== '100'),
      ['INVITE', 'INVITE', '180', '180', '200', '200', 'ACK', 'ACK', 'BYE', 'BYE', '200', '200'],
    )
    assert.deepEqual(invite.slice(3, 5), [host(1), '5060'])
    assert.ok(call.every(([at]) => Math.abs(Number(at) - Date.now() / 1000) < 60))
    assert.deepEqual(await strict.messages(), [''])
  })
})

describe('HEP over TLS', { skip: absent('sipp', 'kamailio') }, () => {
  const started = new Started()
  const file = (name: string) => fileURLToPath(new URL(`../support/tls/${name}`, import.meta.url))
  after(() => started.stop())

  it('goes to a collector whose certificate is good, and to no other', async () => {
    const receiver = await started.keep(KamailioReceiver.start(RECEIVER, PORT))
    const pair = { cert: readFileSync(file('cert.pem')), key: readFileSync(file('key.pem')) }
    const ends = createServer(pair, (socket) => {
      const onward = connect({ host: RECEIVER, port: PORT })
      socket.on('error', () => onward.destroy()).pipe(onward)
      onward.on('error', () => socket.destroy())
    })
    ends.listen(PORT + 2, '127.0.0.1')
    started.add(() => ends.close())
    const env = { ...AGENT, HEP_URL: `tls://127.0.0.1:${PORT + 2}` }
    const [gateway, other] = await Promise.all([
      started.keep(Gateway.start({ env: { ...env, NODE_EXTRA_CA_CERTS: file('cert.pem') } })),
      started.keep(Gateway.start({ address: host(2), env })),
    ])
    for (const one of [gateway, other]) {
      const stage: Stage = { transport: 'udp', router: one.router, domain: 'example.com' }
      await new Device(stage, 'bob', 'bob').registers()
    }
    const fromGood = ({ dst, payload }: Seen) => dst === gateway.router && payload.startsWith('REGISTER')
    await receiver.has('a REGISTER', (packets) => packets.some(fromGood))
    assert.match(await health(gateway), /^connected to tls:/)
    assert.match(await health(other), /^away: .*certificate/)
    assert.ok(receiver.packets.every(({ dst }) => dst !== other.router))
  })
})

/** What readiness says of it. */
async function health(gateway: Gateway): Promise<string> {
  const { checks } = (await gateway.get('/readyz')) as { checks: { hep: string } }
  return checks.hep
}

function options(sentBy: string, router: string, callId: string): string {
  const from = 'Max-Forwards: 1\r\nFrom: <sip:a@b>;tag=1'
  return `OPTIONS sip:${router} SIP/2.0\r\nVia: ${sentBy};branch=z9hG4b${callId}\r\n${from}\r\nTo: <sip:${router}>\r\nCall-ID: ${callId}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n`
}

function byes(packets: Seen[]): number {
  return packets.filter(({ payload }) => payload.startsWith('BYE')).length
}

function labelOf(payload: string): string {
  const [, method] = /\r\nCSeq: \d+ (\w+)/.exec(payload)!
  return payload.startsWith('SIP/2.0 ') ? `${payload.slice(8, 11)} ${method}` : method!
}
