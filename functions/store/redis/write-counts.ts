/**
 * Notices that Redis has lost what a gateway wrote: each write of a suspended transaction is counted there, in the step that comes last,
 * and a count below one that was heard before is that of a Redis that was emptied, or of a replica that lacked the last writes when it took
 * over. Anything written in the meantime may be gone.
 */
export class WriteCounts {
  readonly #known = new Map<string, number>()
  readonly #watchers = new Map<string, () => void>()

  /** @param lost called each time that this gateway's writes turn out to be lost */
  watch(gateway: string, lost: () => void): void {
    this.#watchers.set(gateway, lost)
  }

  unwatch(gateway: string): void {
    this.#watchers.delete(gateway)
  }

  /** What a count that is asked for now has to be at least. */
  floorOf(gateway: string): number {
    return this.#known.get(gateway) ?? 0
  }

  /** The count with a write of ours, which is a new one. */
  written(gateway: string, count: number): void {
    this.#heard(gateway, count, this.floorOf(gateway) + 1)
  }

  /** The count as it was asked for. @param floor what it had to be at least when it was */
  read(gateway: string, count: number, floor: number): void {
    if (count < floor) this.#heard(gateway, count, floor)
  }

  /** A server of a cluster was away: what it held may be gone, and no count tells. */
  suspect(): void {
    for (const lost of this.#watchers.values()) lost()
  }

  #heard(gateway: string, count: number, floor: number): void {
    this.#known.set(gateway, count)
    if (count < floor) this.#watchers.get(gateway)?.()
  }
}
