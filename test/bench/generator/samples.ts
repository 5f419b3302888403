/** Latencies of one run, in milliseconds. */

export interface Spread {
  count: number
  p50: number
  p99: number
  max: number
}

export class Samples {
  #values: number[] = []

  add(ms: number): void {
    this.#values.push(ms)
  }

  /** Nearest-rank percentiles; all 0 when there is no sample. */
  spread(): Spread {
    const sorted = Float64Array.from(this.#values).sort()
    const rank = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
    return { count: sorted.length, p50: rank(0.5), p99: rank(0.99), max: rank(1) }
  }
}
