import type { TimerOwner } from './timer-queue.ts'

/** One running timer: a link of its line, the doubly linked list of all timers with the same duration. */
export class PendingTimer {
  dueMs: number
  /** Counts the starts, so that timers due at the same time fire in the order of their start. */
  readonly order: number
  readonly owner: TimerOwner
  readonly kind: string
  /** `undefined` once it has fired or was stopped. */
  line: TimerLine | undefined
  previous: PendingTimer | undefined
  next: PendingTimer | undefined

  constructor(dueMs: number, order: number, owner: TimerOwner, kind: string) {
    this.dueMs = dueMs
    this.order = order
    this.owner = owner
    this.kind = kind
  }
}

/** The timers of one duration, in order of their due times simply because they were started in that order. Never empty. */
class TimerLine {
  readonly durationMs: number
  head: PendingTimer
  tail: PendingTimer
  /** Where the line stands in the heap. */
  place = 0

  constructor(durationMs: number, first: PendingTimer) {
    this.durationMs = durationMs
    this.head = first
    this.tail = first
  }
}

/** All lines, in a binary heap by what is due first: with SIP's dozen of durations it is hardly more than an array. */
export class TimerLines {
  readonly #byDuration = new Map<number, TimerLine>()
  readonly #heap: TimerLine[] = []

  get first(): PendingTimer | undefined {
    return this.#heap[0]?.head
  }

  append(timer: PendingTimer, durationMs: number): void {
    const line = this.#byDuration.get(durationMs)
    if (line === undefined) this.#open(timer, durationMs)
    else this.#join(timer, line)
  }

  remove(timer: PendingTimer): void {
    const line = timer.line!
    const { previous, next } = timer
    timer.line = timer.previous = timer.next = undefined
    if (next) next.previous = previous
    else if (previous) line.tail = previous
    if (previous) previous.next = next
    else if (next) this.#beginWith(next, line)
    else this.#close(line)
  }

  #open(timer: PendingTimer, durationMs: number): void {
    const line = new TimerLine(durationMs, timer)
    timer.line = line
    this.#byDuration.set(durationMs, line)
    line.place = this.#heap.push(line) - 1
    this.#rise(line)
  }

  #join(timer: PendingTimer, line: TimerLine): void {
    const last = line.tail
    // a clock that was set back must not put a line out of order
    if (timer.dueMs < last.dueMs) timer.dueMs = last.dueMs
    timer.line = line
    timer.previous = last
    last.next = timer
    line.tail = timer
  }

  #beginWith(head: PendingTimer, line: TimerLine): void {
    line.head = head
    this.#sink(line)
  }

  #close(line: TimerLine): void {
    this.#byDuration.delete(line.durationMs)
    const last = this.#heap.pop()!
    if (last === line) return
    this.#put(last, line.place)
    this.#rise(last)
    this.#sink(last)
  }

  #rise(line: TimerLine): void {
    while (line.place > 0) {
      const parent = this.#heap[(line.place - 1) >> 1]!
      if (isBefore(parent.head, line.head)) return
      this.#swap(parent, line)
    }
  }

  #sink(line: TimerLine): void {
    for (
      let child = this.#soonerChild(line);
      child && isBefore(child.head, line.head);
      child = this.#soonerChild(line)
    ) {
      this.#swap(line, child)
    }
  }

  #soonerChild(line: TimerLine): TimerLine | undefined {
    const left = this.#heap[2 * line.place + 1]
    const right = this.#heap[2 * line.place + 2]
    return left && right && isBefore(right.head, left.head) ? right : left
  }

  #swap(above: TimerLine, below: TimerLine): void {
    const { place } = above
    this.#put(above, below.place)
    this.#put(below, place)
  }

  #put(line: TimerLine, place: number): void {
    this.#heap[place] = line
    line.place = place
  }
}

function isBefore(one: PendingTimer, other: PendingTimer): boolean {
  return one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.order < other.order)
}
