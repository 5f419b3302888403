import assert from 'node:assert/strict'
import { type Arrow, arrowText } from '../../gateway/observe/ladder.ts'

/** Every arrow of a test in order; tests compare it as text, so that a failure is a diff of two ladders. */
export class Ladder {
  readonly arrows: Arrow[] = []
  readonly #now: () => number
  #zero = 0

  constructor(now: () => number) {
    this.#now = now
  }

  add(from: string, to: string, label: string): void {
    this.arrows.push({ at: this.#now() - this.#zero, from, to, label })
  }

  /** How many arrows have this text: `gw -> alice 480 INVITE`, or a part of it. */
  count(text: string): number {
    return this.arrows.filter((arrow) => arrowText(arrow).includes(text)).length
  }

  /** When the first arrow with this text came; undefined when none did. */
  when(text: string): number | undefined {
    return this.arrows.find((arrow) => arrowText(arrow).includes(text))?.at
  }

  text(): string {
    return this.arrows.map((arrow) => `${String(arrow.at).padStart(8)}  ${arrowText(arrow)}`).join('\n')
  }

  /**
   * Compares with what was drawn; runs of blanks do not count.
   * @param until compares only up to and with the first arrow that has this text
   * @param from  compares only from the first arrow that has this text
   */
  assert(expected: string, { from, until }: { from?: string; until?: string } = {}): void {
    let { arrows } = this
    if (from) arrows = arrows.slice(indexOf(arrows, from))
    if (until) arrows = arrows.slice(0, indexOf(arrows, until) + 1)
    const actual = arrows.map((arrow) => `${arrow.at} ${arrowText(arrow)}`)
    const wanted = expected
      .trim()
      .split('\n')
      .map((line) => line.trim().replace(/\s+/g, ' '))
    assert.deepEqual(actual, wanted)
  }

  /** From now on times count from this moment. */
  beginsNow(): void {
    this.#zero = this.#now()
  }

  clear(): void {
    this.arrows.length = 0
  }
}

function indexOf(arrows: readonly Arrow[], text: string): number {
  const index = arrows.findIndex((arrow) => arrowText(arrow).includes(text))
  assert.notEqual(index, -1, `no arrow has "${text}"`)
  return index
}
