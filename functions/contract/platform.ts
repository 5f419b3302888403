import type { Clock, IdSource } from './clock.ts'

/** The platform's own time and chance, for what developers make without giving it any: they are the same everywhere. */

export const platformClock: Clock = {
  now: () => Date.now(),
  after(ms, action) {
    const timer = setTimeout(action, ms)
    return { cancel: () => clearTimeout(timer) }
  },
}

/** 122 random bits. */
export const platformIds: IdSource = {
  next: () => crypto.randomUUID().replaceAll('-', ''),
}
