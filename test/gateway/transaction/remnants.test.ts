import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Remnants } from '../../../gateway/transaction/remnants.ts'
import { createTimerQueue } from '../../../gateway/transaction/timer-queue.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { aliceUdp, bobUdp, Rig, reply, request, response } from './rig.ts'

const OUT = 'SIP/2.0/UDP gw.example.com:5060;branch=z9hG4bK-out, SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-in'

test('forgotten in Accepted: the INVITE is absorbed and the ACK passed for 64*T1, then nothing is left (RFC 6026 7.1)', () => {
  const rig = new Rig()
  rig.receive(request('INVITE'))
  rig.served[0]!.respond(reply(200, 'INVITE'), 200)
  assert.deepEqual(rig.served[0]!.forget(), aliceUdp)
  rig.advance(31_000)
  rig.receive(request('INVITE'))
  rig.receive(request('ACK', { toTag: 'b' }))
  rig.advance(1001)
  rig.assertLadder(`
        0 user: INVITE
        0 -> udp 192.0.2.1:5060 200 INVITE
    31000 user: ACK
  `)
  rig.assertOver()
})

test('forgotten in Accepted: a CANCEL still gets its 200 (RFC 3261 9.2)', () => {
  const rig = new Rig()
  rig.receive(request('INVITE'))
  rig.served[0]!.respond(reply(200, 'INVITE'), 200)
  rig.served[0]!.forget()
  rig.receive(request('CANCEL'))
  rig.advance(33_000)
  rig.assertLadder(`
    0 user: INVITE
    0 -> udp 192.0.2.1:5060 200 INVITE
    0 -> udp 192.0.2.1:5060 200 CANCEL
  `)
  rig.assertOver()
})

test('forgotten in Completed: a repeated non-INVITE gets the same response for 64*T1 (RFC 3261 17.2.2)', () => {
  const rig = new Rig()
  rig.receive(request('BYE'))
  rig.served[0]!.respond(reply(200, 'BYE'), 200)
  rig.served[0]!.forget()
  rig.advance(20_000)
  rig.receive(request('BYE'))
  rig.advance(12_050)
  rig.receive(request('BYE'))
  rig.assertLadder(`
        0 user: BYE
        0 -> udp 192.0.2.1:5060 200 BYE
    20000 -> udp 192.0.2.1:5060 200 BYE
    32050 user: BYE
  `)
  rig.advance(33_000)
})

test('forgotten before its final response: nothing happens', () => {
  const rig = new Rig()
  rig.receive(request('INVITE'))
  assert.equal(rig.served[0]!.forget(), undefined)
  assert.equal(rig.served[0]!.request.method, 'INVITE')
  const invite = rig.send('INVITE')
  invite.forget(aliceUdp)
  assert.equal(invite.state, 'calling')
})

test('a client forgotten in Accepted: repeats of the 2xx are passed on, other responses absorbed, for 64*T1 (RFC 6026 8.1)', () => {
  const rig = new Rig()
  const invite = rig.send('INVITE')
  rig.hear(response(200, 'INVITE', OUT, 'b'), bobUdp)
  invite.forget(aliceUdp)
  rig.advance(1000)
  assert.equal(rig.hear(response(200, 'INVITE', OUT, 'b'), bobUdp), true)
  assert.equal(rig.hear(response(180, 'INVITE', OUT, 'b'), bobUdp), true)
  rig.assertLadder(`
       0 -> udp 192.0.2.2:5060 INVITE
       0 user: 200 INVITE
    1000 -> udp 192.0.2.1:5060 200 INVITE
  `)
  rig.advance(31_050)
  assert.equal(rig.hear(response(200, 'INVITE', OUT, 'b'), bobUdp), false)
  rig.assertOver({ 'response without transaction': 1 })
})

test('remnants end in the order they came, by one timer, and leave nothing behind', () => {
  const clock = new FakeClock()
  const timers = createTimerQueue(clock)
  const remnants = new Remnants(timers, 1000)
  for (let key = 0; key < 5000; key++) {
    remnants.add(String(key), aliceUdp, `answer ${key}`)
    clock.advanceSync(1)
  }
  assert.equal(timers.size, 1)
  assert.ok(remnants.size >= 999 && remnants.size <= 1051, `${remnants.size} are kept`)
  assert.deepEqual(remnants.get('4999'), { text: 'answer 4999', destination: aliceUdp })
  assert.equal(remnants.has('3900'), false)
  clock.advanceSync(1100)
  assert.equal(remnants.size, 0)
  assert.equal(timers.size, 0)
})
