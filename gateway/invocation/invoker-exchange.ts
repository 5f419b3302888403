import type { Dispatcher } from 'undici'
import type { HostReply } from './host.ts'
import type { PendingReply } from './invoker-pending.ts'
import { invalidAnswer, isJson, parsedJson, replyOfStatus, unreachable } from './invoker-reply.ts'

type Controller = Dispatcher.DispatchController
type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2]

const GIVEN_UP = new Error('given up')

/** What a response may be at most. */
export interface ResponseBounds {
  /** Octets of its body. */
  bodyBytes: number
  /** Octets of its header fields, names and values. */
  headerBytes: number
  /** Header fields. */
  headers: number
  /** Interim responses (1xx) before it. */
  interim: number
}

/** What an exchange knows of its host, and tells it. */
export interface ExchangeHost {
  readonly bounds: ResponseBounds
  /** How many exchanges have heard from the function. */
  heard: number
  /** Called once for each exchange, when it no longer waits for a connection. */
  started(): void
  /** The deadline has come, and from when this exchange was sent until then none has heard from the function. */
  silent(): void
}

/** Refuses a 200 or 204 that is not signed as it has to be; `undefined` when it is. */
export type CheckAnswer = (header: (name: string) => string, body: Buffer) => HostReply | undefined

/**
 * One HTTP exchange: collects the response within its bounds and settles the reply. What breaks a bound, comes too late or
 * is not wanted any more costs its connection over HTTP/1.1, since the rest of such a response would have to be read otherwise; over HTTP/2
 * it costs its stream.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #pending: PendingReply
  readonly #host: ExchangeHost
  readonly #check: CheckAnswer | undefined
  #controller: Controller | undefined
  #hasStarted = false
  #hasHeard = false
  #heardBefore = 0
  #interim = 0
  #status = 0
  #headers: Headers = {}
  #chunks: Buffer[] = []
  #length = 0

  constructor(pending: PendingReply, host: ExchangeHost, check: CheckAnswer | undefined) {
    this.#pending = pending
    this.#host = host
    this.#check = check
    pending.giveUp = (why) => this.#giveUp(why)
  }

  onRequestStart(controller: Controller): void {
    this.#start()
    // Given up while it waited for a connection. Thrown, not aborted: an abort would close the connection, which is a good one.
    if (this.#pending.settled) throw GIVEN_UP
    this.#controller = controller
    this.#heardBefore = this.#host.heard
  }

  onResponseStart(controller: Controller, status: number, headers: Headers): void {
    this.#hear()
    const { bounds } = this.#host
    if (isBeyond(headers, bounds)) {
      return this.#refuse(
        controller,
        `expected at most ${bounds.headers} header fields of ${bounds.headerBytes} octets`,
      )
    }
    if (status < 200) {
      this.#interim++
      if (this.#interim > bounds.interim)
        this.#refuse(controller, `expected a response, got ${this.#interim} interim ones`)
      return
    }
    this.#status = status
    this.#headers = headers
    if (Number(this.#header('content-length')) > bounds.bodyBytes) this.#tooLong(controller)
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    this.#length += chunk.length
    if (this.#length > this.#host.bounds.bodyBytes) return this.#tooLong(controller)
    this.#chunks.push(chunk)
  }

  onResponseEnd(): void {
    this.#pending.settle(this.#reply())
  }

  onResponseError(_controller: Controller, error: Error): void {
    this.#start()
    this.#pending.settle(replyOfError(error))
  }

  #start(): void {
    if (this.#hasStarted) return
    this.#hasStarted = true
    this.#host.started()
  }

  #hear(): void {
    if (this.#hasHeard) return
    this.#hasHeard = true
    this.#host.heard++
  }

  #giveUp(why: 'late' | 'unwanted'): void {
    if (!this.#controller) return
    if (why === 'late' && this.#host.heard === this.#heardBefore) this.#host.silent()
    this.#controller.abort(GIVEN_UP)
  }

  #tooLong(controller: Controller): void {
    this.#refuse(controller, `expected at most ${this.#host.bounds.bodyBytes} octets, got more`)
  }

  #refuse(controller: Controller, detail: string): void {
    this.#chunks = []
    this.#pending.settle(invalidAnswer(detail))
    controller.abort(GIVEN_UP)
  }

  /** Only an answer has to be JSON; of other statuses the body is read when it is. */
  #reply(): HostReply {
    const octets = this.#octets()
    const refused =
      this.#status === 200 || this.#status === 204 ? this.#check?.((name) => this.#header(name), octets) : undefined
    if (refused) return refused
    if (this.#status === 204) return { kind: 'none' }
    if (!isJson(this.#header('content-type'))) return this.#withoutJson()
    const body = parsedJson(octets.toString('utf8'))
    if ('value' in body) return this.#replyOfStatus(body.value)
    return this.#status === 200 ? body : this.#replyOfStatus(undefined)
  }

  #replyOfStatus(body: unknown): HostReply {
    return replyOfStatus(this.#status, body, this.#header('retry-after') || undefined)
  }

  #withoutJson(): HostReply {
    if (this.#status !== 200) return this.#replyOfStatus(undefined)
    const type = this.#header('content-type') || 'no Content-Type'
    return invalidAnswer(`expected JSON, got ${this.#length} octets of ${type}`)
  }

  #header(name: string): string {
    const value = this.#headers[name]
    return (Array.isArray(value) ? value[0] : value) ?? ''
  }

  #octets(): Buffer {
    const [only] = this.#chunks
    return this.#chunks.length === 1 ? only! : Buffer.concat(this.#chunks)
  }
}

/** A field that is repeated comes as a list. */
function isBeyond(fields: Headers, { headers, headerBytes }: ResponseBounds): boolean {
  let count = 0
  let octets = 0
  for (const name in fields) {
    const values = fields[name]
    for (const value of Array.isArray(values) ? values : [values]) {
      count++
      octets += name.length + (value?.length ?? 0)
    }
  }
  return count > headers || octets > headerBytes
}

/** Errors of the HTTP parser mean that something else than a web server answers, or that headers break their bound. */
function replyOfError(error: Error): HostReply {
  const code = (error as { code?: string }).code ?? error.message
  const isUnreadable = error.name === 'HTTPParserError' || code === 'UND_ERR_HEADERS_OVERFLOW'
  return isUnreadable
    ? invalidAnswer(`the response is not readable HTTP: ${code}`)
    : unreachable(`the function could not be reached: ${code}`)
}
