const BUCKET_MS = 1000

/**
 * Items by the second they expire in: adding, removing and taking what is due cost O(1) each, with no timer and no entry per
 * refresh. The owner knows each item's expiry and gives the same one to `add` and `remove`.
 */
export class ExpiryQueue<Item> {
  #size = 0
  readonly #expiresAt: (item: Item) => number
  readonly #buckets = new Map<number, Set<Item>>()
  /** Binary heap of the bucket numbers; an emptied bucket stays until its second has passed. */
  readonly #heap: number[] = []

  /** @param expiresAt expiry of an item, milliseconds since the epoch; must not change while the item is queued */
  constructor(expiresAt: (item: Item) => number) {
    this.#expiresAt = expiresAt
  }

  get size(): number {
    return this.#size
  }

  add(item: Item): void {
    const bucket = bucketOf(this.#expiresAt(item))
    let items = this.#buckets.get(bucket)
    if (!items) {
      items = new Set()
      this.#buckets.set(bucket, items)
      push(this.#heap, bucket)
    }
    if (!items.has(item)) this.#size++
    items.add(item)
  }

  remove(item: Item): void {
    if (this.#buckets.get(bucketOf(this.#expiresAt(item)))?.delete(item)) this.#size--
    if (this.#size === 0) this.clear()
  }

  /** Takes out at most `limit` items that expire at `now` or before, about the oldest first. */
  takeDue(now: number, limit = Number.POSITIVE_INFINITY): Item[] {
    const due: Item[] = []
    while (due.length < limit && this.#heap.length > 0 && this.#heap[0]! <= bucketOf(now)) {
      const bucket = this.#heap[0]!
      this.#take(this.#buckets.get(bucket)!, now, limit, due)
      if (this.#buckets.get(bucket)!.size > 0 || bucket === bucketOf(now)) break
      this.#buckets.delete(pop(this.#heap)!)
    }
    if (this.#size === 0) this.clear()
    return due
  }

  /** At most `limit` items that expire at `now` or before and are wanted, about the oldest first; they stay. */
  due(now: number, limit: number, isWanted: (item: Item) => boolean): Item[] {
    const due: Item[] = []
    const passed = this.#heap.filter((bucket) => bucket <= bucketOf(now)).sort((a, b) => a - b)
    for (const bucket of passed)
      for (const item of this.#buckets.get(bucket)!) {
        if (due.length >= limit) return due
        if (this.#expiresAt(item) <= now && isWanted(item)) due.push(item)
      }
    return due
  }

  /** When it is worth calling `takeDue` next; `Infinity` when nothing is there. */
  get nextDue(): number {
    while (this.#heap.length > 0 && this.#buckets.get(this.#heap[0]!)!.size === 0) {
      this.#buckets.delete(pop(this.#heap)!)
    }
    return this.#heap.length === 0 ? Number.POSITIVE_INFINITY : (this.#heap[0]! + 1) * BUCKET_MS
  }

  clear(): void {
    this.#size = 0
    this.#buckets.clear()
    this.#heap.length = 0
  }

  #take(items: Set<Item>, now: number, limit: number, due: Item[]): void {
    for (const item of items) {
      if (due.length >= limit) return
      if (this.#expiresAt(item) > now) continue
      items.delete(item)
      this.#size--
      due.push(item)
    }
  }
}

function bucketOf(ms: number): number {
  return Math.floor(ms / BUCKET_MS)
}

function push(heap: number[], value: number): void {
  let index = heap.length
  heap.push(value)
  while (index > 0) {
    const parent = (index - 1) >> 1
    if (heap[parent]! <= value) break
    heap[index] = heap[parent]!
    index = parent
  }
  heap[index] = value
}

function pop(heap: number[]): number | undefined {
  const least = heap[0]
  const last = heap.pop()
  if (heap.length > 0) sink(heap, last!)
  return least
}

/** Puts `value` in the place of the least element and lets it sink to where it belongs. */
function sink(heap: number[], value: number): void {
  let index = 0
  for (let child = 1; child < heap.length; child = 2 * index + 1) {
    if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++
    if (heap[child]! >= value) break
    heap[index] = heap[child]!
    index = child
  }
  heap[index] = value
}
