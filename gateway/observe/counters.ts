/** Counts things by series: a name, or a name with labels as `series` writes it. Counting is one Map access. */
export class Counters {
  readonly #counts = new Map<string, { value: number }>()
  readonly #gauges = new Map<string, () => number>()

  /** `series` is a constant, or made once by `series()`: nothing is formatted on the hot path. */
  readonly count = (series: string, by = 1): void => {
    const count = this.#counts.get(series)
    if (count === undefined) this.#counts.set(series, { value: by })
    else count.value += by
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
