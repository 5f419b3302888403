import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClientUser, Progress } from '../../../gateway/transaction/types.ts'
import { aliceUdp, answer, bobUdp, message, outgoing, Rig, reply, request } from './rig.ts'

/** Transactions that another process began. */

function takenUp(method: string, progress: Progress) {
  const rig = new Rig()
  const user: ClientUser = {
    onResponse: (response) => rig.note(`user: ${response.status}`),
    onTimeout: () => rig.note('user: timeout'),
    onTransportFailure: () => rig.note('user: failure'),
  }
  const text = outgoing(method, 'z9hG4bK-out', bobUdp)
  const client = rig.layer.takeUpClient(
    { text, method, branch: 'z9hG4bK-out', destination: bobUdp, context: undefined },
    user,
    progress,
  )
  return { rig, client }
}

test('an INVITE that was not answered goes on being repeated, for what is left of timer B (RFC 3261 17.1.1.2)', () => {
  const { rig } = takenUp('INVITE', { isProceeding: false, leftMs: 2000 })
  rig.advance(5000)
  rig.assertLadder(`
    0 -> udp 192.0.2.2:5060 INVITE
    500 -> udp 192.0.2.2:5060 INVITE
    1500 -> udp 192.0.2.2:5060 INVITE
    2000 user: timeout
  `)
  rig.assertOver()
})

test('an INVITE that rings is not repeated and has no time of its own; its CANCEL and its final response are as ever (RFC 3261 9.1)', () => {
  const { rig, client } = takenUp('INVITE', { isProceeding: true, leftMs: 0 })
  rig.advance(100_000)
  client.cancel()
  rig.hear(answer(200, 'CANCEL'))
  rig.hear(answer(487, 'INVITE'))
  rig.assertLadder(`
    100000 -> udp 192.0.2.2:5060 CANCEL
    100000 -> udp 192.0.2.2:5060 ACK
    100000 user: 487
  `)
  rig.advance(40_000)
  rig.assertOver()
})

test('a non-INVITE is repeated, every T2 once it was answered provisionally, for what is left of timer F (RFC 3261 17.1.2.2)', () => {
  const { rig } = takenUp('MESSAGE', { isProceeding: true, leftMs: 9000 })
  rig.advance(10_000)
  rig.assertLadder(`
    4000 -> udp 192.0.2.2:5060 MESSAGE
    8000 -> udp 192.0.2.2:5060 MESSAGE
    9000 user: timeout
  `)
  rig.assertOver()
})

test('an INVITE from before is answered with the last response when it is repeated, cancelled, and answered by its user', () => {
  const rig = new Rig()
  const invite = message(request('INVITE'))
  const server = rig.layer.takeUpServer(invite, aliceUdp, reply(180, 'INVITE'), { isProceeding: true, leftMs: 0 })
  assert.equal(rig.layer.takeUpServer(invite, aliceUdp, undefined, { isProceeding: true, leftMs: 0 }), undefined)
  rig.receive(request('INVITE'))
  rig.receive(request('CANCEL'))
  server!.respond(reply(487, 'INVITE'), 487)
  rig.receive(request('ACK', { toTag: 'b' }))
  rig.assertLadder(`
    0 -> udp 192.0.2.1:5060 180 INVITE
    0 -> udp 192.0.2.1:5060 200 CANCEL
    0 user: CANCEL of INVITE
    0 -> udp 192.0.2.1:5060 487 INVITE
  `)
  rig.advance(40_000)
  rig.assertLadder('5000 user: end of INVITE')
  rig.assertOver()
})

test('a non-INVITE from before ends with nothing sent when its time is over (RFC 4320)', () => {
  const rig = new Rig()
  rig.layer.takeUpServer(message(request('MESSAGE')), aliceUdp, undefined, { isProceeding: false, leftMs: 700 })
  rig.receive(request('MESSAGE'))
  rig.advance(1000)
  rig.assertLadder('700 user: end of MESSAGE')
  rig.assertOver()
})
