import type { SipRouter } from '../../functions/sdk/index.ts'
import type { WireMessage } from '../support/wire.ts'
import { type World, type WorldOptions, world } from '../support/world.ts'
import { ackOf, forksTo, inDialog, type Peer, peer } from './peer.ts'

/** alice calls through the gateway, bob is where it forks to; neither does anything by itself. */
export interface Scene {
  w: World
  alice: Peer
  bob: Peer
}

export const ALICE = '10.0.0.10'
export const BOB = '10.0.0.20'
export const CAROL = '10.0.0.30'

/** Arrows to and from functions are left out of the ladder. */
export async function scene(options: Omit<WorldOptions, 'app'> & { app?: SipRouter } = {}): Promise<Scene> {
  const w = await world({ app: forksTo(`sip:bob@${BOB}`), ...options })
  return { w, alice: await peer(w, 'alice', { address: ALICE }), bob: await peer(w, 'bob', { address: BOB }) }
}

/** The ladder without functions and pushes, from now on compared from here. */
export function assertWire(w: World, expected: string): void {
  const arrows = w.ladder.arrows.filter(({ to }) => to !== 'function' && to !== 'push')
  w.ladder.arrows.splice(0, w.ladder.arrows.length, ...arrows)
  w.ladder.assert(expected)
  w.ladder.clear()
}

/** alice has sent this INVITE and bob has said 180. */
export async function ringing({ alice, bob, w }: Scene, invite = alice.request('INVITE')): Promise<string> {
  await alice.sends(invite)
  await bob.answers(bob.last('INVITE'), 180)
  w.ladder.clear()
  return invite
}

/** A call that alice made, bob has answered and alice has acknowledged. Returns the 200. */
export async function answered(s: Scene, invite = s.alice.request('INVITE')): Promise<WireMessage> {
  await ringing(s, invite)
  await s.bob.answers(s.bob.last('INVITE'), 200)
  const ok = s.alice.last('200 INVITE')
  await s.alice.sends(inDialog(s.alice, 'ACK', ok))
  s.w.ladder.clear()
  return ok
}

export async function hangsUp({ alice, bob }: Scene, ok: WireMessage): Promise<void> {
  await alice.sends(inDialog(alice, 'BYE', ok, { cseq: 99 }))
  await bob.answers(bob.last('BYE'), 200)
}

/** alice acknowledges the last final response of that status. */
export async function acknowledges(alice: Peer, invite: string, status: number): Promise<void> {
  await alice.sends(ackOf(invite, alice.last(`${status} INVITE`)))
}

/** Lets everything run out, Timer C included: nothing is left alive. */
export async function over(w: World): Promise<void> {
  await w.assertQuiet(400_000)
  await w.stop()
}
