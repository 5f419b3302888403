import { fileURLToPath } from 'node:url'
import type { PushMessage, PushResult } from '../../functions/contract/push.ts'
import pushWakeUp from '../../functions/examples/push-wake-up.ts'
import { pushable, registeredLongAgo } from '../scenario/cast.ts'
import type { Phone } from '../support/phone.ts'
import { seeded } from '../support/random.ts'
import type { WireMessage } from '../support/wire.ts'
import { type World, world } from '../support/world.ts'

/** Many calls to phones that sleep, each in its own way, in virtual time: who rings, how often, and how long that takes. */

const KINDS = [
  'normal',
  'slow',
  'killed',
  'twice',
  'other gateway',
  'busy provider',
  'stale token',
  'too late',
  'push lost',
  'caller gone',
] as const
export type Kind = (typeof KINDS)[number]
const WAKEABLE: readonly Kind[] = KINDS.slice(0, 6)

const STEP_MS = 50
/** The example waits so long. */
const WAIT_MS = 30_000
const B = { address: '10.0.0.2', port: 5060 }

/** One call and its phone. Times in virtual milliseconds. */
interface Wake {
  kind: Kind
  phone: Phone
  caller: Phone
  calledAt: number
  pushedAt: number
  registeredAt: number
  invitedAt: number
  rangAt: number
  /** Of INVITEs that the phone got: one is one ringing, however often it is repeated. */
  branches: Set<string>
  endedAt: number
  status: number
}

export interface WakesReport {
  wakes: readonly Wake[]
  counts: Record<Kind, { calls: number; rang: number; twice: number }>
  wakeable: number
  woken: number
  /** The gateways' own: `rouse_wakes_total` by result. */
  counted: Record<string, number>
  stages: Record<'push → REGISTER' | 'REGISTER → INVITE' | 'INVITE → 180', number[]>
}

/** @param count calls, 20 to a second */
export async function runWakes(count: number, seed = 1): Promise<WakesReport> {
  const chance = seeded(seed)
  const agenda = new Map<number, (() => unknown)[]>()
  const byDevice = new Map<string, Wake>()
  const push = (message: PushMessage): PushResult => provider(message, byDevice.get(message.device)!, agenda, chance, w)
  const unlimited = { perAor: undefined, perCaller: undefined }
  const gateway = { id: 'gw', cluster: { pool: 'east' }, pushLimits: unlimited }
  const w: World = await world({ app: pushWakeUp, gateway, push })
  const starting = w.process({ id: 'gw-b', address: B.address, cluster: { pool: 'west' }, pushLimits: unlimited })
  await w.advance(1500)
  const b = await starting

  const wakes: Wake[] = []
  for (let index = 0; index < count; index++) {
    const kind = KINDS[Math.floor(chance() * KINDS.length)]!
    const times = { calledAt: 0, pushedAt: 0, registeredAt: 0, invitedAt: 0, rangAt: 0, endedAt: 0, status: 0 }
    const wake = { kind, ...times, branches: new Set<string>() } as Wake
    wake.phone = await w.phone(`phone-${index}`, {
      ...pushable(`phone-${index}`),
      address: addressOf(1, index),
      ...(kind === 'other gateway' ? { gateway: B } : {}),
      onArrow: (direction, message) => noted(wake, w.clock.now(), direction, message),
    })
    await wake.phone.registers()
    await wake.phone.vanish()
    if (kind === 'killed') w.network.silent(wake.phone.options.address, 5060)
    wake.caller = await w.phone(`caller-${index}`, {
      address: addressOf(2, index),
      onArrow: (_, { isRequest, method, status }) => {
        if (isRequest || method !== 'INVITE' || status < 200 || wake.status !== 0) return
        wake.status = status
        wake.endedAt = w.clock.now()
      },
    })
    wakes.push(wake)
    byDevice.set(wake.phone.options.instance!, wake)
    if (index % 500 === 0) w.ladder.clear()
  }
  await registeredLongAgo(w)

  const start = w.clock.now()
  for (const [index, wake] of wakes.entries()) at(agenda, start + index * STEP_MS, () => call(wake, w, agenda))
  for (let left = count * STEP_MS + 100_000; left > 0; left -= STEP_MS) {
    for (const act of agenda.get(w.clock.now()) ?? []) await act()
    agenda.delete(w.clock.now())
    w.ladder.clear()
    await w.advance(STEP_MS)
  }
  await w.assertQuiet()
  await b.stop()
  await w.stop()
  if (w.errors.length > 0 || w.counters.get('bugs') > 0) throw new Error(`the gateway told of errors: ${w.errors}`)
  return report(wakes, w)
}

function addressOf(net: number, index: number): string {
  return `10.${net}.${Math.floor(index / 250)}.${(index % 250) + 1}`
}

function at(agenda: Map<number, (() => unknown)[]>, ms: number, act: () => unknown): void {
  const step = Math.ceil(ms / STEP_MS) * STEP_MS
  agenda.set(step, [...(agenda.get(step) ?? []), act])
}

async function call(wake: Wake, w: World, agenda: Map<number, (() => unknown)[]>): Promise<void> {
  wake.calledAt = w.clock.now()
  await wake.caller.invites(wake.phone.options.name)
  if (wake.kind === 'caller gone') at(agenda, wake.calledAt + 2000, () => wake.caller.cancels())
}

/** What the push provider of that phone says, and when the phone wakes. */
function provider(
  message: PushMessage,
  wake: Wake,
  agenda: Map<number, (() => unknown)[]>,
  chance: () => number,
  w: World,
): PushResult {
  const now = w.clock.now()
  if (message.purpose !== 'call') return { outcome: 'accepted' }
  if (wake.kind === 'busy provider' && wake.pushedAt === 0) {
    wake.pushedAt = now
    return { outcome: 'failed', error: 'UNAVAILABLE', retryAfterSeconds: 1 }
  }
  wake.pushedAt = now
  if (wake.kind === 'stale token') return { outcome: 'token_invalid', error: 'UNREGISTERED' }
  const afterMs = latencyOf(wake.kind, chance)
  if (afterMs !== undefined) at(agenda, now + afterMs, () => wakesUp(wake, w, agenda))
  return { outcome: 'accepted' }
}

function latencyOf(kind: Kind, chance: () => number): number | undefined {
  if (kind === 'push lost') return undefined
  if (kind === 'slow') return 8000 + chance() * 17_000
  if (kind === 'too late') return WAIT_MS + 1000 + chance() * 10_000
  if (kind === 'caller gone') return 2500 + chance() * 10_000
  return 300 + chance() * 2700
}

async function wakesUp(wake: Wake, w: World, agenda: Map<number, (() => unknown)[]>): Promise<void> {
  wake.registeredAt = w.clock.now()
  await wake.phone.wakes()
  if (wake.kind === 'twice') at(agenda, wake.registeredAt + 600, () => wake.phone.registers())
  if (!WAKEABLE.includes(wake.kind)) return
  at(agenda, wake.registeredAt + 1000, async () => {
    if (wake.phone.incoming.some(({ state }) => state === 'ringing')) await wake.phone.answers()
  })
  at(agenda, wake.registeredAt + 3000, async () => {
    if (wake.caller.finalStatus === 200) await wake.caller.hangsUp()
  })
}

/** What the phone hears and says. */
function noted(wake: Wake, now: number, direction: 'sent' | 'received', message: WireMessage): void {
  if (direction === 'received' && message.isRequest && message.method === 'INVITE') {
    wake.branches.add(message.header('Via'))
    wake.invitedAt ||= now
  } else if (direction === 'sent' && message.status === 180) wake.rangAt ||= now
}

function report(wakes: readonly Wake[], w: World): WakesReport {
  const counts = Object.fromEntries(
    KINDS.map((kind) => [kind, { calls: 0, rang: 0, twice: 0 }]),
  ) as WakesReport['counts']
  for (const { kind, branches } of wakes) {
    counts[kind].calls++
    if (branches.size > 0) counts[kind].rang++
    if (branches.size > 1) counts[kind].twice++
  }
  const wakeable = wakes.filter(({ kind }) => WAKEABLE.includes(kind))
  const woken = wakeable.filter(({ branches, status }) => branches.size > 0 && status === 200)
  const counted: Record<string, number> = {}
  for (const [series, value] of w.counters.counts()) {
    const result = series.startsWith('wakes{') && /result="(\w+)"/.exec(series)?.[1]
    if (result) counted[result] = (counted[result] ?? 0) + value
  }
  const stages = {
    'push → REGISTER': woken.map(({ pushedAt, registeredAt }) => registeredAt - pushedAt),
    'REGISTER → INVITE': woken.map(({ registeredAt, invitedAt }) => invitedAt - registeredAt),
    'INVITE → 180': woken.map(({ invitedAt, rangAt }) => rangAt - invitedAt),
  }
  return { wakes, counts, wakeable: wakeable.length, woken: woken.length, counted, stages }
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

function print({ counts, wakeable, woken, counted, stages }: WakesReport): void {
  console.log('| phones | calls | rang | rang twice |\n| --- | --- | --- | --- |')
  for (const [kind, { calls, rang, twice }] of Object.entries(counts))
    console.log(`| ${kind} | ${calls} | ${rang} | ${twice} |`)
  console.log(`\n${woken} of ${wakeable} that could be woken were: ${((100 * woken) / wakeable).toFixed(2)} %`)
  console.log(`the gateways' own count: ${JSON.stringify(counted)}\n`)
  console.log('| ms, virtual | p50 | p95 | p99 | most |\n| --- | --- | --- | --- | --- |')
  for (const [stage, values] of Object.entries(stages)) {
    const shares = [0.5, 0.95, 0.99, 1].map((share) => Math.round(percentile(values, share)))
    console.log(`| ${stage} | ${shares.join(' | ')} |`)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) print(await runWakes(Number(process.argv[2] ?? 10_000)))
