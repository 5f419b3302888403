/**
 * Node's own methods for one encoding: half the cost of `toString` and `write`, which look the encoding up by name. Its types leave them out.
 */
export interface Latin1Buffer {
  latin1Slice(start: number, end: number): string
  /** Returns how many octets were written. */
  latin1Write(text: string, offset: number): number
}
