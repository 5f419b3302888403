import type { SrvRecord } from './resolver.ts'

/**
 * The order in which servers are tried: by priority, and within one priority drawn by weight.
 * @param random from 0 up to but not including 1
 * @see RFC 2782 "Usage rules", RFC 3263 4.2
 */
export function orderSrv(records: readonly SrvRecord[], random: () => number): SrvRecord[] {
  const ordered: SrvRecord[] = []
  // Weight 0 goes first, so that it has its small chance (RFC 2782, "Weight").
  const left = records.toSorted((one, other) => one.priority - other.priority || one.weight - other.weight)
  while (left.length > 0) ordered.push(...left.splice(draw(left, random), 1))
  return ordered
}

/** Index of one record among those that share the first one's priority. */
function draw(records: readonly SrvRecord[], random: () => number): number {
  const equals = records.findIndex((record) => record.priority !== records[0]!.priority)
  const group = equals < 0 ? records : records.slice(0, equals)
  const total = group.reduce((sum, record) => sum + record.weight, 0)
  let rest = Math.floor(random() * (total + 1))
  return Math.max(
    0,
    group.findIndex((record) => {
      rest -= record.weight
      return rest <= 0
    }),
  )
}
