import { performance } from 'node:perf_hooks'

export interface Pace {
  /** Arrivals per second, on average. */
  rate: number
  count: number
  /** Same seed, same arrivals. */
  seed: number
}

/**
 * Open-loop Poisson arrivals: calls `fire` `count` times, whether or not the router keeps up, and resolves after the last.
 * Arrivals are due at exact times and released by a 1 ms tick, so the generator sleeps in between and leaves its core to the router.
 * @returns the worst lag of a release behind its due time, milliseconds
 */
export function pace({ rate, count, seed }: Pace, fire: (nth: number) => void): Promise<number> {
  const random = mulberry32(seed)
  return new Promise((resolve) => {
    let nth = 0
    let due = performance.now()
    let worst = 0
    const tick = () => {
      const now = performance.now()
      while (nth < count && due <= now) {
        worst = Math.max(worst, now - due)
        fire(nth++)
        due -= (Math.log(1 - random()) / rate) * 1000
      }
      if (nth < count) setTimeout(tick, 1)
      else resolve(worst)
    }
    tick()
  })
}

/** A small seeded generator of numbers in [0, 1), so that a run can be repeated. */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
