import * as z from 'zod/mini'

/** Milliseconds of each unit. */
export const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** A number and its unit. */
export const DURATION_TEXT: RegExp = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/
export const MAX_DURATION_MS = 86_400_000

/** Reads `"30s"`, `"500ms"`, `"2m"`, `"1h"`, or a number of milliseconds; `undefined` when it is none of these. */
export function durationMs(value: string | number): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? Math.round(value) : undefined
  const match = DURATION_TEXT.exec(value)
  return match ? Math.round(Number(match[1]) * UNITS[match[2]!]!) : undefined
}

/** A duration on the wire: a number of milliseconds or a string with its unit. At most 24 hours. */
export const Duration = z.union([z.number(), z.string()]).check(
  z.refine((value) => {
    const ms = durationMs(value)
    return ms !== undefined && ms <= MAX_DURATION_MS
  }, 'expected milliseconds or a string such as "30s", "500ms", "2m", at most 24h'),
)
export type Duration = z.infer<typeof Duration>
