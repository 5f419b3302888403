import { test } from 'node:test'
import { world } from '../support/world.ts'

test('without a function a call goes to the registered contact of the callee (RFC 3261 16.5)', async () => {
  const w = await world()
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  await bob.registers()
  await alice.invites('bob')
  await bob.answers()
  await alice.hangsUp()
  w.ladder.assert(
    `
    0 bob -> gw REGISTER
    0 gw -> bob 200 REGISTER
    0 alice -> gw INVITE bob
    0 gw -> alice 100
    0 gw -> bob INVITE bob
    0 bob -> gw 180
    0 gw -> alice 180
    0 bob -> gw 200 INVITE
    0 gw -> alice 200 INVITE
    0 alice -> gw ACK
    0 gw -> bob ACK
    0 alice -> gw BYE
    0 gw -> bob BYE
    0 bob -> gw 200 BYE
    0 gw -> alice 200 BYE
  `,
  )
  await w.assertQuiet()
  await w.stop()
})
