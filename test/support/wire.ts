/**
 * The phones' own way to read and write SIP: string work on whole messages, sharing nothing with the gateway's message layer, so that
 * one does not confirm the other's mistakes.
 */
export class WireMessage {
  readonly text: string
  readonly start: string

  constructor(text: string) {
    this.text = text
    this.start = text.slice(0, text.indexOf('\r\n'))
  }

  get isRequest(): boolean {
    return !this.start.startsWith('SIP/2.0')
  }

  get method(): string {
    return this.isRequest ? this.start.split(' ')[0]! : (this.header('CSeq').split(' ')[1] ?? '')
  }

  get uri(): string {
    return this.start.split(' ')[1]!
  }

  get status(): number {
    return this.isRequest ? 0 : Number(this.start.split(' ')[1])
  }

  get body(): string {
    return this.text.slice(this.text.indexOf('\r\n\r\n') + 4)
  }

  /** Every value of that header, as written; long names only, which is what the gateway's and the phones' own messages have. */
  headers(name: string): string[] {
    const head = this.text.slice(0, this.text.indexOf('\r\n\r\n'))
    return head
      .split('\r\n')
      .slice(1)
      .filter((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
      .map((line) => line.slice(name.length + 1).trim())
  }

  header(name: string): string {
    return this.headers(name)[0] ?? ''
  }

  tag(name: 'From' | 'To'): string {
    return /;tag=([^;]+)/.exec(this.header(name))?.[1] ?? ''
  }

  get branch(): string {
    return /;branch=([^;,]+)/.exec(this.header('Via'))?.[1] ?? ''
  }

  get cseq(): number {
    return Number(this.header('CSeq').split(' ')[0])
  }
}

export interface Written {
  start: string
  headers: [string, string][]
  body?: string
}

export function write({ start, headers, body = '' }: Written): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}`)
  return `${[start, ...lines, `Content-Length: ${Buffer.byteLength(body)}`].join('\r\n')}\r\n\r\n${body}`
}

/** The URI inside angle brackets, or the text up to its first parameter. */
export function uriOf(value: string): string {
  return /<([^>]+)>/.exec(value)?.[1] ?? value.split(';')[0]!
}
