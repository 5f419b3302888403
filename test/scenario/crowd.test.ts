import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, fork, fromEvent, SipRouter } from 'rouse'
import type { FakeClock } from '../support/fake-clock.ts'
import type { Phone } from '../support/phone.ts'
import { DOMAIN, type World, world } from '../support/world.ts'

const CROWD = 10_000
const LATE = 'sip:late@10.0.9.9:5060'
/** Late INVITEs that may go out before somebody else has a turn. */
const AT_ONCE = 16

/** One event wakes all who wait for it; everybody else's calls go on meanwhile. */
function app(wait: (call: Call) => void): SipRouter {
  const sip = new SipRouter()
  sip.invite('/:domain/:user{crowd-.+}', (call) => {
    wait(call)
    call.halt('60s')
  })
  sip.on('late-fork', (call, event) => {
    call.fork(String(event.callee))
  })
  sip.invite('/:domain/:user', (call) => call.fork(call.contacts))
  return sip
}

const CASES: { how: string; wait(call: Call): void }[] = [
  {
    how: 'inline reactions',
    wait: (call) => call.subscribe('gate.opened', { gate: 'north' }, [fork(fromEvent('callee'))]),
  },
  { how: 'named handlers', wait: (call) => call.subscribe('gate.opened', { gate: 'north' }, 'late-fork') },
]

for (const { how, wait } of CASES) {
  test(`one event wakes ten thousand calls by ${how}, and other calls have their turn in between`, async () => {
    const w = await world({ app: app(wait), hides: () => true })
    const bob = await w.phone('bob')
    await bob.registers()
    const late = await lateCallee(w)
    await crowdWaits(w)
    const alice = await w.phone('alice')
    const turns: number[] = []
    eachTurn(w.clock, () => {
      turns.push(late.invites)
      if (turns.length === 100) void alice.invites('bob')
    })
    let beforeBob = -1
    onInvite(bob, () => {
      beforeBob = late.invites
    })
    assert.equal(await w.gateway.publish({ id: 'e', type: 'gate.opened', time: 0, attributes: OPENED }), CROWD)
    await w.advance(0)
    assert.equal(late.invites, CROWD)
    const whenAliceCalled = turns[99]!
    assert.ok(whenAliceCalled > 0 && whenAliceCalled < CROWD / 2, `alice calls after ${whenAliceCalled} of the crowd`)
    assert.ok(beforeBob >= 0 && beforeBob - whenAliceCalled <= AT_ONCE, `bob's INVITE came after ${beforeBob}`)
    const steps = turns.map((count, index) => count - (turns[index - 1] ?? 0))
    assert.ok(Math.max(...steps) <= AT_ONCE, `${Math.max(...steps)} at once`)
    await w.stop()
  })
}

const OPENED = { gate: 'north', callee: LATE }

async function lateCallee(w: World): Promise<{ invites: number }> {
  const seen = { invites: 0 }
  await w.network.udp(
    { address: '10.0.9.9', port: 5060 },
    {
      receive: (octets) => {
        if (Buffer.from(octets).toString('latin1', 0, 7) === 'INVITE ') seen.invites++
      },
    },
  )
  return seen
}

async function crowdWaits(w: World): Promise<void> {
  const caller = await w.network.udp({ address: '10.0.9.8', port: 5060 }, { receive: () => {} })
  for (let nth = 0; nth < CROWD; nth++) caller.send(invite(nth), '10.0.0.1', 5060)
  await w.advance(0)
}

/** Looks once in each turn, for as long as turns are taken at this time. */
function eachTurn(clock: FakeClock, look: () => void): void {
  let left = 4 * (CROWD / AT_ONCE)
  const turn = () => {
    look()
    if (left-- > 0) clock.after(0, turn)
  }
  clock.after(0, turn)
}

function onInvite(phone: Phone, came: () => void): void {
  const { onArrow } = phone.options
  phone.options.onArrow = (direction, message) => {
    if (direction === 'received' && message.method === 'INVITE') came()
    onArrow(direction, message)
  }
}

function invite(nth: number): Buffer {
  const uri = `sip:crowd-${nth}@${DOMAIN}`
  return Buffer.from(
    `INVITE ${uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.9.8:5060;branch=z9hG4bK${nth}\r\nMax-Forwards: 70\r\nFrom: <sip:a@${DOMAIN}>;tag=${nth}\r\nTo: <${uri}>\r\nCall-ID: crowd-${nth}\r\nCSeq: 1 INVITE\r\nContact: <sip:a@10.0.9.8>\r\nContent-Length: 0\r\n\r\n`,
    'latin1',
  )
}
