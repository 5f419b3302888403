import { readdirSync, readFileSync } from 'node:fs'

/** CPU and memory of a process and everything it started, as Linux accounts for them. */

const TICK_US = 10_000

/** The process and its descendants, parents first. A process that is gone has none. */
export function processTree(pid: number): number[] {
  const children = threadsOf(pid).flatMap((thread) =>
    words(read(`/proc/${pid}/task/${thread}/children`)).map((child) => Number(child)),
  )
  return [pid, ...children.flatMap(processTree)]
}

/** User and system time of the tree, microseconds. */
export function cpuOf(pid: number): number {
  return processTree(pid).reduce((sum, each) => sum + cpuOfProcess(each), 0)
}

/** Proportional set size of the tree, bytes: memory shared between its processes counts once. */
export function memoryOf(pid: number): number {
  return processTree(pid).reduce((sum, each) => sum + memoryOfProcess(each), 0)
}

/** User and system time of everything on the machine, microseconds, by the kernel's ticks. */
export function cpuOfMachine(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = words(read('/proc/stat').split('\n', 1)[0]!)
    .slice(1)
    .map(Number)
  return (user + nice + system + irq + softirq) * TICK_US
}

/**
 * `/proc/<pid>/stat` counts in ticks of 10 ms; the scheduler's own nanoseconds of the living threads are finer.
 * Threads that have ended are only in the former, so the larger of the two is right within a tick.
 */
function cpuOfProcess(pid: number): number {
  const ticks = ticksOf(read(`/proc/${pid}/stat`)) * TICK_US
  const fine = threadsOf(pid).reduce((sum, thread) => sum + nanosecondsOf(`/proc/${pid}/task/${thread}/schedstat`), 0)
  return Math.max(ticks, fine / 1000)
}

/** Fields 14 and 15 (utime, stime); the name in field 2 may hold blanks and parentheses. */
function ticksOf(stat: string): number {
  const fields = words(stat.slice(stat.lastIndexOf(')') + 1))
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
}

function nanosecondsOf(path: string): number {
  return Number(words(read(path))[0] ?? 0)
}

function memoryOfProcess(pid: number): number {
  const line = read(`/proc/${pid}/smaps_rollup`)
    .split('\n')
    .find((each) => each.startsWith('Pss:'))
  return Number(words(line ?? '')[1] ?? 0) * 1024
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

/** A process may end between two reads: nothing is left to count then. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '')
}
