import { randomFillSync } from 'node:crypto'
import type { Clock, IdSource } from '../functions/contract/clock.ts'

/** The wall clock and the system's randomness: given in by entry files, nowhere else read. */

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, action) {
    // A timer that is due by the time the others have run is run with them: sockets would never be served between two of them.
    if (ms <= 0) {
      const immediate = setImmediate(action)
      return { cancel: () => clearImmediate(immediate) }
    }
    const timer = setTimeout(action, ms)
    return { cancel: () => clearTimeout(timer) }
  },
}

const ID_OCTETS = 10
const POOL_OCTETS = 10_240

/** Node's own method, without a look-up of the encoding by name. Its types leave it out. */
interface HexBuffer {
  hexSlice(start: number, end: number): string
}

/** 80 random bits in hexadecimal, drawn in batches: a call into the system for every id would cost more than the id. */
export function createRandomIds(): IdSource {
  const pool = Buffer.alloc(POOL_OCTETS)
  let used = POOL_OCTETS
  return {
    next() {
      if (used === POOL_OCTETS) {
        randomFillSync(pool)
        used = 0
      }
      used += ID_OCTETS
      return (pool as unknown as HexBuffer).hexSlice(used - ID_OCTETS, used)
    },
  }
}
