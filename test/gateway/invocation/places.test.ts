import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HostReply } from '../../../gateway/invocation/host.ts'
import { CIRCUIT_OPEN } from '../../../gateway/invocation/invoker-reply.ts'
import { Places } from '../../../gateway/invocation/places.ts'
import { FakeClock, settled } from '../../support/fake-clock.ts'

function places(running: number, waiting: number) {
  const clock = new FakeClock()
  const subject = new Places({ running, waiting }, clock)
  const waits = (timeoutMs = 1000, signal?: AbortSignal) => {
    const state: { reply?: HostReply | undefined; isThrough: boolean } = { isThrough: false }
    void subject.wait({ timeoutMs, signal }).then((reply) => Object.assign(state, { reply, isThrough: true }))
    return state
  }
  return { clock, subject, waits }
}

function codeOf(reply: HostReply | undefined): string | undefined {
  return reply?.kind === 'problem' ? reply.problem.code : undefined
}

test('places are taken at once while there are some, and a place that becomes free goes to who has waited longest', async () => {
  const { subject, waits, clock } = places(2, 10)
  assert.deepEqual([subject.take(), subject.take(), subject.take()], [true, true, false])
  const [first, second] = [waits(), waits()]
  subject.free()
  await settled()
  assert.deepEqual([first.isThrough, second.isThrough], [true, false])
  assert.equal(first.reply, undefined)
  assert.deepEqual([subject.running, subject.waiting], [2, 1])
  for (let i = 0; i < 3; i++) subject.free()
  await settled()
  assert.deepEqual([subject.running, subject.waiting], [0, 0])
  assert.equal(clock.pending, 0)
})

test('nobody waits longer than they may, and the queue is bounded', async () => {
  const { subject, waits, clock } = places(1, 2)
  subject.take()
  const [short, long, none] = [waits(100), waits(200), waits()]
  await settled()
  assert.equal(codeOf(none.reply), 'handler.overloaded')
  await clock.advance(100)
  assert.equal(codeOf(short.reply), 'handler.overloaded')
  assert.equal(long.isThrough, false)
  await clock.advance(100)
  assert.equal(codeOf(long.reply), 'handler.overloaded')
  subject.free()
  assert.deepEqual([subject.running, subject.waiting, clock.pending], [0, 0, 0])
})

test('whose caller gives up leaves the queue at once, and takes no place of others', async () => {
  const { subject, waits, clock } = places(1, 10)
  subject.take()
  const cancel = new AbortController()
  const [gone, next] = [waits(1000, cancel.signal), waits()]
  cancel.abort()
  assert.equal(subject.waiting, 1)
  subject.free()
  await settled()
  assert.equal(codeOf(gone.reply), 'transaction.gone')
  assert.deepEqual([next.isThrough, next.reply], [true, undefined])
  const late = waits(1000, AbortSignal.abort())
  await settled()
  assert.equal(codeOf(late.reply), 'transaction.gone')
  assert.deepEqual([subject.running, subject.waiting, clock.pending], [1, 0, 0])
})

test('all who wait can be turned away', async () => {
  const { subject, waits, clock } = places(1, 10)
  subject.take()
  const turned = [waits(), waits(), waits()]
  subject.turnAway(CIRCUIT_OPEN)
  await settled()
  for (const { reply } of turned) assert.equal(codeOf(reply), 'handler.circuit_open')
  assert.deepEqual([subject.running, subject.waiting, clock.pending], [1, 0, 0])
})
