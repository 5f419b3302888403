import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, fromEvent, SipRouter } from 'rouse'
import { createMemoryStore } from '../../functions/store/memory.ts'
import type { Store } from '../../functions/store/store.ts'
import type { IncomingCall, Phone } from '../support/phone.ts'
import { type World, world } from '../support/world.ts'
import { sleepingPhone } from './cast.ts'

/**
 * A call waits, is woken, rings and is answered, and the gateway dies at every single step it takes with its store, before it and after
 * it. Peers do what SIP's peers do when they hear nothing: they repeat themselves.
 */

const apps: Record<string, (call: Call) => unknown> = {
  'a wait': async (call) => {
    const registered = call.wait('contact.registered', { aor: call.aor }, '60s')
    call.push()
    const phone = await registered
    if (phone) call.fork(phone.contact)
  },
  'a ring, then a wait': async (call) => {
    const nobody = await call.ring('sip:nobody@10.0.0.99', { for: '1s' })
    const phone = nobody.answered ? null : await call.wait('contact.registered', { aor: call.aor }, '60s')
    if (phone) call.fork(phone.contact)
  },
  'a named handler': (call) => {
    call.subscribe('contact.registered', { aor: call.aor }, 'late')
    call.push()
    call.halt('90s')
  },
  'an inline reaction': (call) => {
    const reaction = [{ action: 'fork', targets: [fromEvent('contact')] }]
    call.subscribe('contact.registered', { aor: call.aor }, reaction as never)
    call.halt('90s')
  },
}

/** Runs the call; dies at step `dieAt` with the store. @returns how many steps there were */
async function run(name: string, dieAt: number, when: 'before' | 'after'): Promise<number> {
  const app = new SipRouter().invite('/:domain/:user', apps[name] as (call: unknown) => Promise<void>)
  app.on('late', (call, event) => call.fork(event.contact))
  let steps = 0
  let isWatched = false
  const w: World = await world({
    app,
    store: (clock, ids) => {
      const memory = createMemoryStore({ clock, ids })
      const watched = new Set<keyof Store>(['suspend', 'resume', 'release', 'lookup'])
      const step = async (name: keyof Store, args: unknown[]) => {
        const isLast = isWatched && ++steps === dieAt
        if (isLast && when === 'before') {
          void w.kill()
          return new Promise(() => {})
        }
        const done = await (memory[name] as (...args: unknown[]) => Promise<unknown>)(...args)
        if (isLast) void w.kill()
        return done
      }
      return new Proxy(memory, {
        get: (_, name: keyof Store) =>
          watched.has(name)
            ? (...args: unknown[]) => step(name, args)
            : (memory[name] as (...args: unknown[]) => unknown).bind(memory),
      })
    },
  })
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  const nobody = await w.phone('nobody', { address: '10.0.0.99' })
  isWatched = true
  await alice.invites('bob')
  await w.advance(2000)
  await revive(w, steps >= dieAt, alice)
  await phone.wakes()
  for (let second = 0; second < 8 && alice.finalStatus === 0; second++) {
    await w.advance(1000)
    await revive(w, steps >= dieAt, alice)
    await talk(phone)
  }
  assert.equal(alice.finalStatus, 200, `died ${when} step ${dieAt}`)
  assert.equal(phone.incoming.length, 1, `died ${when} step ${dieAt}: the phone rings once`)
  assert.ok(nobody.incoming.length <= 1)
  await w.advance(1000)
  await revive(w, steps >= dieAt, alice)
  await alice.hangsUp()
  // Killed before the store has heard of the answer, the branch is waited for until Timer C.
  await w.assertQuiet(300_000)
  assert.equal(w.counters.get('bugs'), 0)
  await w.stop()
  return steps
}

const revived = new WeakSet<World>()

async function revive(w: World, hasDied: boolean, alice: Phone): Promise<void> {
  if (!hasDied || revived.has(w)) return
  revived.add(w)
  await w.restart()
  // She has heard 100 or she repeats her INVITE: both are tried, for a repeat changes nothing.
  if (alice.finalStatus === 0) await alice.retransmits()
}

/** Rings, picks up, and repeats its 200 until it is acknowledged; a phone that nobody called registers once more. */
async function talk(phone: Phone): Promise<void> {
  const call: IncomingCall | undefined = phone.incoming[0]
  if (!call) await phone.registers()
  else if (call.state === 'ringing') await phone.answers()
  else phone.respond(call.invite, 200, { tag: call.tag })
}

for (const name of Object.keys(apps)) {
  test(`${name}: wherever the gateway dies, the caller is connected and the phone rings once`, async () => {
    const steps = await run(name, Number.POSITIVE_INFINITY, 'before')
    assert.ok(steps > 4)
    for (let step = 1; step <= steps; step++) {
      await run(name, step, 'before')
      await run(name, step, 'after')
    }
  })
}
