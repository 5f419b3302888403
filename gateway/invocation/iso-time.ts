const SECOND_MS = 1000
/** Two times are written for each invocation, now and its deadline, and those of a second begin alike. */
const KEPT = 16
const starts = new Map<number, string>()

/** `2026-01-31T08:00:00.123Z`, as `Date.toISOString` writes it; times of the same few seconds cost next to nothing. @param ms since the epoch */
export function isoTime(ms: number): string {
  const second = Math.floor(ms / SECOND_MS)
  let start = starts.get(second)
  if (start === undefined) {
    start = new Date(second * SECOND_MS).toISOString().slice(0, -4)
    if (starts.size >= KEPT) starts.clear()
    starts.set(second, start)
  }
  const rest = Math.floor(ms - second * SECOND_MS)
  return `${start}${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}Z`
}
