import type { Spread } from './generator/samples.ts'
import type { RunResult } from './generator/tally.ts'

/** One line of the table: what one router did with one load. */
export interface Row {
  job: string
  /** What was offered, such as `2,000/s`; rows of one job and load are compared. */
  load: string
  router: string
  /** The row others of its job and load are compared with. */
  baseline: boolean
  /** Microseconds of the router's CPU per call (wake, REGISTER), its idle CPU subtracted. */
  cpuUs?: number | undefined
  /** Milliseconds from the INVITE to the 180; for a wake from the REGISTER to the late INVITE. */
  ringing?: Spread | undefined
  /** Milliseconds from the INVITE to the 200; for a REGISTER to its 200. */
  answered?: Spread | undefined
  offered: number
  failed: number
  failures: Record<string, number>
  /** Requests repeated by the generator or the router, and messages nobody expected. */
  surplus: number
  memoryBytes?: number | undefined
  note?: string | undefined
}

/** The part of a row that comes from the generator. */
export function countsOf(result: RunResult): Pick<Row, 'offered' | 'failed' | 'failures' | 'surplus'> {
  const { offered, failed, failures, retransmitted, repeated, unexpected } = result
  return { offered, failed, failures, surplus: retransmitted + repeated + unexpected }
}

/** At most one call in a thousand failed, and at most one message in a thousand calls was sent twice. */
export function isClean({ offered, failed, surplus }: Pick<Row, 'offered' | 'failed' | 'surplus'>): boolean {
  return (failed + surplus) / offered <= 0.001
}

const COLUMNS = [
  'job',
  'load',
  'router',
  'CPU µs',
  '→ 180 p50',
  'p99',
  '→ 200 p50',
  'p99',
  'failed',
  'surplus',
  'MiB',
  'note',
]

/** The table in Markdown, padded so that it reads in a terminal too; `×` is the ratio to the baseline row. */
export function tableOf(rows: Row[]): string {
  const lines = rows.map((row) => cellsOf(row, baselineOf(rows, row)))
  const widths = COLUMNS.map((name, column) => Math.max(name.length, ...lines.map((line) => line[column]!.length)))
  const pad = (cells: string[]) => `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`
  return [pad(COLUMNS), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...lines.map(pad), ''].join('\n')
}

/** One row as a line for the terminal, while the others are still to come. */
export function lineOf(row: Row): string {
  return cellsOf(row, undefined)
    .filter((cell) => cell !== '')
    .join('  ')
}

function baselineOf(rows: Row[], row: Row): Row | undefined {
  if (row.baseline) return undefined
  return rows.find((each) => each.baseline && each.job === row.job && each.load === row.load)
}

function cellsOf(row: Row, baseline: Row | undefined): string[] {
  const mib = (bytes: number | undefined) => (bytes === undefined ? undefined : bytes / 2 ** 20)
  return [
    row.job,
    row.load,
    row.router,
    compared(row.cpuUs, baseline?.cpuUs, 0),
    compared(row.ringing?.p50, baseline?.ringing?.p50, 2),
    compared(row.ringing?.p99, baseline?.ringing?.p99, 2),
    compared(row.answered?.p50, baseline?.answered?.p50, 2),
    compared(row.answered?.p99, baseline?.answered?.p99, 2),
    row.failed === 0 ? '0' : `${row.failed} of ${row.offered} (${why(row.failures)})`,
    String(row.surplus),
    compared(mib(row.memoryBytes), mib(baseline?.memoryBytes), 0),
    row.note ?? '',
  ]
}

function compared(value: number | undefined, rival: number | undefined, digits: number): string {
  if (value === undefined) return ''
  const text = value.toFixed(digits)
  return rival === undefined || rival <= 0 ? text : `${text} (${(value / rival).toFixed(2)}×)`
}

function why(failures: Record<string, number>): string {
  return Object.entries(failures)
    .map(([name, times]) => `${times} × ${name}`)
    .join(', ')
}
