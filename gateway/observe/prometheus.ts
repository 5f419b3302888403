import { BUCKETS, type Counters, type Histogram } from './counters.ts'

/** Content-Type of the text exposition format. */
export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** All counters and gauges in Prometheus' text format, sorted by name: `rouse_<name>_total` for counters, `rouse_<name>` for gauges and histograms. */
export function renderPrometheus(counters: Counters): string {
  const lines = [
    ...family([...counters.counts()], 'counter', '_total'),
    ...family(
      [...counters.gauges()].map(([series, read]) => [series, read()]),
      'gauge',
      '',
    ),
    ...histograms([...counters.histograms()]),
  ]
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

function family(samples: [string, number][], type: string, suffix: string): string[] {
  const lines: string[] = []
  let last = ''
  for (const [name, labels, value] of samples.map(split).sort(byName)) {
    const full = `rouse_${name}${suffix}`
    if (full !== last) lines.push(`# TYPE ${full} ${type}`)
    last = full
    lines.push(`${full}${labels} ${value}`)
  }
  return lines
}

function histograms(all: [string, Histogram][]): string[] {
  const lines: string[] = []
  let last = ''
  const sorted = all.map(([series, histogram]) => ({ name: split([series, 0]), histogram }))
  for (const { name, histogram } of sorted.sort((a, b) => byName(a.name, b.name))) {
    const full = `rouse_${name[0]}`
    if (full !== last) lines.push(`# TYPE ${full} histogram`)
    last = full
    const labels = name[1] === '' ? '' : `${name[1].slice(1, -1)},`
    let below = 0
    for (const [index, bound] of BUCKETS.entries()) {
      below += histogram.buckets[index]!
      lines.push(`${full}_bucket{${labels}le="${bound}"} ${below}`)
    }
    lines.push(`${full}_bucket{${labels}le="+Inf"} ${histogram.count}`)
    lines.push(`${full}_sum${name[1]} ${histogram.sum}`, `${full}_count${name[1]} ${histogram.count}`)
  }
  return lines
}

/** Names are written for people inside the gateway (`late response`); Prometheus takes only letters, digits and `_`. */
function split([series, value]: [string, number]): [name: string, labels: string, value: number] {
  const brace = series.indexOf('{')
  const name = brace < 0 ? series : series.slice(0, brace)
  return [name.replaceAll(/[^A-Za-z0-9_]+/g, '_'), brace < 0 ? '' : series.slice(brace), value]
}

function byName(a: [string, string, number], b: [string, string, number]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] < b[1] ? -1 : 1
}
