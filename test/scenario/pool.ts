import assert from 'node:assert/strict'
import type { SipRouter } from 'rouse'
import type { GatewayProcess } from '../support/gateway-process.ts'
import type { Phone, PhoneOptions } from '../support/phone.ts'
import { type World, type WorldOptions, world } from '../support/world.ts'
import { pushable } from './cast.ts'

export const SHARED = { address: '10.0.0.100', port: 5060 }
export const CLUSTER = { cluster: { pool: 'east' }, advertised: SHARED.address }
export const A = { ...CLUSTER, id: 'gw-a', address: '10.0.0.1' }
export const B = { ...CLUSTER, id: 'gw-b', address: '10.0.0.2' }

/** Two gateways of a pool behind one address, two phones that know that address, and a load balancer. */
export class Pool {
  readonly w: World
  readonly alice: Phone
  readonly bob: Phone
  a: GatewayProcess | undefined
  b: GatewayProcess
  /** Whom the load balancer sends everything to. */
  to = A.address

  private constructor(w: World, b: GatewayProcess, alice: Phone, bob: Phone) {
    this.w = w
    this.b = b
    this.alice = alice
    this.bob = bob
  }

  static async start(app: SipRouter, options: WorldOptions = {}): Promise<Pool> {
    const w = await world({ app, gateway: A, hides: (label) => label === '100', ...options })
    const starting = w.process(B)
    await w.advance(1500)
    const b = await starting
    const phone = (name: string, more: Partial<PhoneOptions> = {}) => w.phone(name, { gateway: SHARED, ...more })
    const pool = new Pool(w, b, await phone('alice'), await phone('bob', pushable('bob')))
    w.network.balances(SHARED.address, () => pool.to)
    // Each has seen the other for as long as a lease lasts.
    await w.advance(7000)
    return pool
  }

  /** A's process is started anew, and waits until its calls are its own. */
  async revive(): Promise<void> {
    const starting = this.w.start()
    await this.w.advance(3000)
    await starting
  }

  async end(): Promise<void> {
    const { w, b } = this
    await w.assertQuiet()
    const { timers: _, ...counts } = b.gateway.counts()
    assert.deepEqual(counts, { calls: 0, serverTransactions: 0, clientTransactions: 0, dialogs: 0 })
    for (const id of [A.id, B.id]) assert.deepEqual(await w.store.suspended(id), [])
    assert.deepEqual(w.errors, [])
    assert.equal(w.counters.get('bugs'), 0)
    await b.stop()
    await w.stop()
  }
}
