import type { Clock } from '../contract/clock.ts'

/** The platform's own time, for a push function that nobody gives a clock. */
export const platformClock: Clock = {
  now: () => Date.now(),
  after(ms, action) {
    const timer = setTimeout(action, ms)
    return { cancel: () => clearTimeout(timer) }
  },
}
