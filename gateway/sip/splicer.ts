/** Copies a text with edits, which must come in rising order; what no edit touches is copied octet by octet. */
export class Splicer {
  readonly text: string
  private written = ''
  private copied: number

  /** @param from where copying starts */
  constructor(text: string, from: number) {
    this.text = text
    this.copied = from
  }

  /** Puts `replacement` where `start` to `end` stood; an insertion when both are equal. */
  replace(start: number, end: number, replacement: string): void {
    this.written += this.text.slice(this.copied, start) + replacement
    this.copied = end
  }

  /** Everything copied, edited, and left over up to `end`. */
  finish(end: number): string {
    return this.written + this.text.slice(this.copied, end)
  }
}
