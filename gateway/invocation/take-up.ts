import { pause } from '../../functions/contract/clock.ts'
import { GRACE_MS, takeUpContext } from '../proxy/state.ts'
import type { Call } from './call.ts'
import { performStored } from './perform.ts'
import type { CallRecord, WorkRecord } from './record.ts'

/** A process that lived for so long after it had begun to perform an answer has sent what there was to send at once. Milliseconds. */
const CERTAIN_MS = 2500
/** How often it is looked up where a callee is, and the pause in between in milliseconds. */
const LOOK_UPS = 10
const LOOK_UP_PAUSE_MS = 500

/** What is to be known of a call that is taken up, besides its record. */
export interface TakenUp {
  /** Of the record in the store. */
  rev: number
  /** Until when the other process was certainly alive, milliseconds since the epoch. */
  lastSeen: number
  /** Until when it has certainly followed what was talked, milliseconds since the epoch. */
  followedUntil: number
  /** That does not go on with it. */
  hasLeft: boolean
  /** How many were taken up before it. */
  order: number
}

/**
 * A call goes on where another process has left off: branches ring on, waits have what is left of their time, and what was asked of the
 * function and not answered, or answered and not performed, is done again.
 */
export function takeUp(call: Call, { at, context, ...record }: CallRecord, { rev, ...from }: TakenUp): void {
  call.note('taken up after a restart')
  call.location = { bindings: [], at }
  call.functionContext = context
  if (record.wakes) call.wakes.takeUp(record.wakes)
  if (record.annotations) call.annotations = new Map(Object.entries(record.annotations))
  call.isTakenUp = true
  if (record.charge) call.charge.facts = record.charge
  if (record.hasRung) call.ringingAt = record.ringingAt ?? call.startedAt
  call.context.hold()
  call.suspension.takeUp(record, rev)
  if (record.haltUntil !== undefined) call.halt(Math.max(GRACE_MS, record.haltUntil - call.parts.clock.now()))
  takeUpContext(call.context, record.proxy, call.parts.hangup.transport)
  // The record is older than what was sent since: if he has not heard it, he does now.
  call.context.trying()
  if (record.talk) call.takeUpTalk(record.talk, from)
  if (record.formerly) call.formerly = record.formerly
  call.invocations.takeUp(record.answered, record.jobs)
  call.context.takingUp = goOn(call, record.works, from.lastSeen)
}

/** What was being performed comes before what is to be asked. */
async function goOn(call: Call, works: readonly WorkRecord[], lastSeen: number): Promise<void> {
  try {
    await Promise.all(works.map((work) => performAgain(call, work, lastSeen)))
  } catch (error) {
    // Who was pushed may still come.
    if (call.isHalted) call.storeFailed(error)
    else call.troubled(error)
  }
  call.invocations.goOn()
  call.context.release()
  await call.invocations.idle
  call.context.takingUp = undefined
}

function performAgain(call: Call, work: WorkRecord, lastSeen: number): Promise<void> {
  const { actions, event, missed, begunAt } = work
  const wasSent = lastSeen - begunAt >= CERTAIN_MS
  const since = wasSent ? begunAt : call.parts.clock.now()
  if (!wasSent) call.changed()
  return performStored(call, { actions, next: 0, event, missed, begunAt: since, wasSent }, async () => {
    await locateAtLast(call)
    return missed
  })
}

/** When thousands of calls are taken up at once, a look-up may take longer than it is waited for. */
async function locateAtLast(call: Call): Promise<void> {
  call.isLocated = false
  for (let tries = 0; tries < LOOK_UPS && call.context.isOpen; tries++) {
    if (tries > 0) await pause(call.parts.clock, LOOK_UP_PAUSE_MS)
    await call.locate()
    if (call.isLocated) return
  }
}
