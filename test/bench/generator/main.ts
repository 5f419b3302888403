import { performance } from 'node:perf_hooks'
import { Callee } from './callee.ts'
import { Caller } from './caller.ts'
import { Endpoint } from './endpoint.ts'
import { pace } from './pace.ts'
import type { Answer, Calls, Job, Late, LateResult, Question, Register, Start, Wait, Wake } from './protocol.ts'
import { Samples } from './samples.ts'
import { type RunResult, Tally } from './tally.ts'

/**
 * The load generator, a process of its own, so that its work and its garbage are not the router's. It is told over IPC what to offer
 * and answers with what it counted. One run at a time, but for `late`, which only listens.
 */

const DRAIN_MS = 5000
const POLL_MS = 10
const GENERATOR = `${process.pid.toString(36)}.`
/** A call that waits has to be left alone for so long: a failure may follow the 100. */
const SETTLE_MS = 300

let caller: Caller
let callee: Callee
let runs = 0

const jobs: { [Name in Job['job']]: (job: Extract<Job, { job: Name }>) => Promise<RunResult | LateResult> } = {
  calls,
  wait,
  wake,
  register,
  late,
}

process.on('message', (question: Question) => {
  void handle(question).then((answer) => process.send!(answer))
})
process.on('disconnect', () => process.exit())

async function handle(question: Question): Promise<Answer> {
  try {
    return { id: question.id, result: await perform(question) }
  } catch (error) {
    return { id: question.id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

function perform(question: Question): Promise<unknown> {
  if ('start' in question) return start(question.start)
  return (jobs[question.job.job] as (job: Job) => Promise<unknown>)(question.job)
}

async function start({ router, registrar, domain, calleePort, direct }: Start): Promise<void> {
  const calling = await Endpoint.open(direct ? { host: '127.0.0.1', port: calleePort } : router, 0)
  const callerPort = Number(calling.sentBy.slice(calling.sentBy.lastIndexOf(':') + 1))
  const called = registrar
    ? await Endpoint.openToAll(registrar, calleePort)
    : await Endpoint.open(direct ? { host: '127.0.0.1', port: callerPort } : router, calleePort)
  caller = new Caller(calling, domain)
  callee = new Callee(called, domain)
}

async function calls({ rate, count, user, odd, drainMs }: Calls): Promise<RunResult> {
  const tally = new Tally()
  const aside = new Tally()
  const run = begin()
  const lagMs = await pace({ rate, count, seed: run }, (nth) => {
    const isOdd = odd !== undefined && nth % odd.every === odd.every - 1
    caller.call(callIdOf(run, nth), isOdd ? odd.user : user, isOdd ? aside : tally)
  })
  await drained(tally, drainMs)
  return finish(tally, lagMs)
}

async function wait({ rate, count, user }: Wait): Promise<RunResult> {
  const tally = new Tally()
  const run = ++runs
  let proceeding = 0
  const lagMs = await pace({ rate, count, seed: run }, (nth) => {
    caller.call(callIdOf(run, nth), `${user}-${nth}`, tally, () => {
      proceeding++
    })
  })
  await until(() => proceeding === count)
  await sleep(SETTLE_MS)
  tally.completed = proceeding - tally.failed
  return tally.close(lagMs)
}

async function wake({ rate, count, user, asleepMs }: Wake): Promise<RunResult> {
  const tally = new Tally()
  const registrations = new Tally()
  const latencies = new Samples()
  const registeredAt = new Map<string, number>()
  const run = begin(false)
  callee.onInvite = (callId, atMs) => {
    const since = registeredAt.get(callId)
    if (since !== undefined) latencies.add(atMs - since)
  }
  const lagMs = await pace({ rate, count, seed: run }, (nth) => {
    const callId = callIdOf(run, nth)
    caller.call(callId, `${user}-${nth}`, tally)
    setTimeout(() => {
      registeredAt.set(callId, performance.now())
      callee.register(`r${callId}`, `${user}-${nth}`, registrations)
    }, asleepMs)
  })
  await drained(tally)
  callee.onInvite = undefined
  const result = finish(tally, lagMs)
  return { ...result, ringing: latencies.spread(), retransmitted: result.retransmitted + registrations.retransmitted }
}

async function register({ rate, count, user, users }: Register): Promise<RunResult> {
  const tally = new Tally()
  const run = begin(false)
  const lagMs = await pace({ rate, count, seed: run }, (nth) => {
    callee.register(`r${callIdOf(run, nth)}`, users === 1 ? user : `${user}-${nth % users}`, tally)
  })
  await drained(tally)
  return finish(tally, lagMs)
}

/** The clock of `lastAtMs` is the machine's, so that another process can subtract its own reading. */
function late({ count, withinMs }: Late): Promise<LateResult> {
  const since = new Samples()
  let seen = 0
  let firstAt = 0
  let lastAtMs = 0
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      callee.onInvite = undefined
      resolve({ seen, lastAtMs, spread: since.spread() })
    }
    const timer = setTimeout(end, withinMs)
    callee.onInvite = () => {
      lastAtMs = Number(process.hrtime.bigint()) / 1e6
      if (seen++ === 0) firstAt = lastAtMs
      since.add(lastAtMs - firstAt)
      if (seen === count) end()
    }
  })
}

/** A new run's number. Calls that are still waiting are forgotten, unless they are what the run is measured against. */
function begin(forget = true): number {
  if (forget) caller.forget()
  callee.forget()
  caller.strays = 0
  return ++runs
}

function finish(tally: Tally, lagMs: number): RunResult {
  tally.repeated += callee.repeated
  tally.unexpected += caller.strays + callee.strays + callee.forget()
  return tally.close(lagMs)
}

/** Resolves when every offered call has ended, or the time for it is over. */
function drained(tally: Tally, withinMs = DRAIN_MS): Promise<void> {
  return until(() => tally.ended === tally.offered, withinMs)
}

async function until(isDone: () => boolean, withinMs = DRAIN_MS): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!isDone() && performance.now() < deadline) await sleep(POLL_MS)
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/**
 * Unlike that of any other generator: two may call through one router. Short on purpose: V8 copies strings below 13 characters instead
 * of keeping the whole message alive with them.
 */
function callIdOf(run: number, nth: number): string {
  return `${GENERATOR}${run.toString(36)}-${nth.toString(36)}.b`
}
