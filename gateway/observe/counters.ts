/** Counts things by series: a name, or a name with labels as `series` writes it. Counting is one Map update. */
export class Counters {
  readonly #counts = new Map<string, number>()
  readonly #gauges = new Map<string, () => number>()

  /** `series` is a constant, or made once by `series()`: nothing is formatted on the hot path. */
  readonly count = (series: string, by = 1): void => {
    this.#counts.set(series, (this.#counts.get(series) ?? 0) + by)
  }

  /** 0 when it was never counted. */
  get(series: string): number {
    return this.#counts.get(series) ?? 0
  }

  /** A value that is read when somebody looks, such as the number of live transactions. */
  gauge(series: string, read: () => number): void {
    this.#gauges.set(series, read)
  }

  counts(): IterableIterator<[string, number]> {
    return this.#counts.entries()
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
