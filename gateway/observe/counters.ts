/** Upper bounds of a histogram's buckets, in seconds. */
export const BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const

export interface Histogram {
  /** How many were at most each of `BUCKETS`, and above the one before. */
  readonly buckets: number[]
  count: number
  sum: number
}

/** Counts things by series: a name, or a name with labels as `series` writes it. Counting is one Map access. */
export class Counters {
  readonly #counts = new Map<string, { value: number }>()
  readonly #gauges = new Map<string, () => number>()
  readonly #histograms = new Map<string, Histogram>()

  /** `series` is a constant, or made once by `series()`: nothing is formatted on the hot path. */
  readonly count = (series: string, by = 1): void => {
    const count = this.#counts.get(series)
    if (count === undefined) this.#counts.set(series, { value: by })
    else count.value += by
  }

  /** How long something took, in seconds. */
  readonly observe = (series: string, seconds: number): void => {
    let histogram = this.#histograms.get(series)
    if (histogram === undefined) {
      histogram = { buckets: BUCKETS.map(() => 0), count: 0, sum: 0 }
      this.#histograms.set(series, histogram)
    }
    const bucket = BUCKETS.findIndex((bound) => seconds <= bound)
    if (bucket >= 0) histogram.buckets[bucket]!++
    histogram.count++
    histogram.sum += seconds
  }

  /** 0 when it was never counted. */
  get(series: string): number {
    return this.#counts.get(series)?.value ?? 0
  }

  /** A value that is read when somebody looks, such as the number of live transactions. */
  gauge(series: string, read: () => number): void {
    this.#gauges.set(series, read)
  }

  *counts(): Generator<[string, number]> {
    for (const [series, { value }] of this.#counts) yield [series, value]
  }

  histograms(): IterableIterator<[string, Histogram]> {
    return this.#histograms.entries()
  }

  gauges(): IterableIterator<[string, () => number]> {
    return this.#gauges.entries()
  }
}

/** `series('invocations', { result: 'answer' })` is `invocations{result="answer"}`. */
export function series(name: string, labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${escaped(value)}"`)
  return pairs.length === 0 ? name : `${name}{${pairs.join(',')}}`
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
