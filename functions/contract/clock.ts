/** Time and chance, injected: nothing below an entry file reads the wall clock or randomness itself. */

export interface Timer {
  /** Stops the timer; harmless when it has fired or was stopped before. */
  cancel(): void
}

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Calls `action` once, `ms` milliseconds from now (0 is the next turn). */
  after(ms: number, action: () => void): Timer
}

export interface IdSource {
  /** A new id that nobody can guess: at least 64 random bits, `[0-9a-zA-Z]` only. `kind` lets tests give readable names. */
  next(kind: string): string
}

export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve))
}

/** The pause before the next try, of pauses that grow: the last one is for all further failures, too. Milliseconds. */
export function pauseAfter(failures: number, pausesMs: readonly number[]): number {
  return pausesMs[Math.min(failures, pausesMs.length - 1)]!
}
