import { durationMs } from '../functions/contract/duration.ts'
import type { Fault, Read, Reader } from '../functions/contract/settings.ts'

/** What the gateway does for calls while their function is slow, dead or overrun. Times in milliseconds. */
export interface ResilienceConfig {
  /** `FUNCTIONS_BUDGET_INVITE`, default `2.5s`, from 100 ms to 30 s. */
  inviteBudgetMs: number
  /** `FUNCTIONS_BUDGET_OTHERS`, default `1.5s`; as the former. */
  otherBudgetMs: number
  /** `FUNCTIONS_BUDGET_MAX`, what a route may ask for at most; default `10s`; as the former, and not less than they are. */
  maxBudgetMs: number
  /** `FUNCTIONS_CONCURRENCY`, invocations of a function at a URL at once; default 256, from 1 to 65,536. */
  concurrency: number
  /** `FUNCTIONS_QUEUE`, how many more may wait; default 4096, from 0 to 1,000,000. */
  queue: number
  /** `FUNCTIONS_BREAKER`, the share of the last 20 tries that has to fail; default `50%`, from 5 to 100; `off`: undefined. */
  breakerPercent: number | undefined
  /** `FUNCTIONS_BREAKER_REST`, default `1s`, from 100 ms to 30 s. */
  breakerRestMs: number
  /** `FUNCTIONS_CACHE`, answers that are kept; default 1000, from 0 to 1,000,000. */
  cache: number
}

const SHORTEST_MS = 100
const LONGEST_MS = 30_000

export function resilienceConfig(read: Reader): ResilienceConfig {
  const duration = (setting: string, fallback: string) => read.value(setting, durationSetting, fallback) ?? 0
  const number = (setting: string, from: number, to: number, fallback: string) =>
    read.value(setting, numberSetting(from, to, fallback), fallback) ?? 0
  return {
    inviteBudgetMs: duration('FUNCTIONS_BUDGET_INVITE', '2.5s'),
    otherBudgetMs: duration('FUNCTIONS_BUDGET_OTHERS', '1.5s'),
    maxBudgetMs: duration('FUNCTIONS_BUDGET_MAX', '10s'),
    concurrency: number('FUNCTIONS_CONCURRENCY', 1, 65_536, '256'),
    queue: number('FUNCTIONS_QUEUE', 0, 1_000_000, '4096'),
    breakerPercent: read.value('FUNCTIONS_BREAKER', breakerSetting, '50%')?.percent,
    breakerRestMs: duration('FUNCTIONS_BREAKER_REST', '1s'),
    cache: number('FUNCTIONS_CACHE', 0, 1_000_000, '1000'),
  }
}

/** What a method has without asking cannot be more than a route may ask for. */
export function resilienceFaults({ inviteBudgetMs, otherBudgetMs, maxBudgetMs }: ResilienceConfig): Fault[] {
  const least = Math.max(inviteBudgetMs, otherBudgetMs)
  // 0: it could not be read, which has been said.
  if (maxBudgetMs === 0 || maxBudgetMs >= least) return []
  const setting = 'FUNCTIONS_BUDGET_MAX'
  const larger = inviteBudgetMs === least ? 'FUNCTIONS_BUDGET_INVITE' : 'FUNCTIONS_BUDGET_OTHERS'
  const message = `${setting}: expected at least ${least} ms, since ${larger} is that, got ${maxBudgetMs} ms; raise it, or lower ${larger} (default ${larger === 'FUNCTIONS_BUDGET_INVITE' ? '2.5s' : '1.5s'})`
  return [{ setting, message }]
}

function durationSetting(text: string): Read<number> {
  const ms = durationMs(text)
  if (ms !== undefined && ms >= SHORTEST_MS && ms <= LONGEST_MS) return { ok: true, value: ms }
  return { ok: false, expected: 'a time from 100ms to 30s', remedy: 'write for example 2.5s or 800ms' }
}

function numberSetting(from: number, to: number, example: string): (text: string) => Read<number> {
  return (text) => {
    const value = /^\d{1,7}$/.test(text) ? Number(text) : Number.NaN
    if (value >= from && value <= to) return { ok: true, value }
    return { ok: false, expected: `a number from ${from} to ${to}`, remedy: `write for example ${example}` }
  }
}

function breakerSetting(text: string): Read<{ percent: number | undefined }> {
  if (text.toLowerCase() === 'off') return { ok: true, value: { percent: undefined } }
  const percent = Number(/^(\d{1,3})%$/.exec(text)?.[1] ?? Number.NaN)
  if (percent >= 5 && percent <= 100) return { ok: true, value: { percent } }
  return { ok: false, expected: 'a share from 5% to 100%, or off', remedy: 'write for example 50%' }
}
