import type { Dispatcher } from 'undici'
import type { HostReply } from './host.ts'
import type { PendingReply } from './invoker-pending.ts'
import { invalidAnswer, isJson, parsedJson, replyOfStatus, unreachable } from './invoker-reply.ts'

type Controller = Dispatcher.DispatchController
type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2]

const GIVEN_UP = new Error('given up')

/**
 * One HTTP exchange: collects the response within its bounds and settles the reply. What breaks a bound, comes too late or
 * is not wanted any more costs its connection, since the rest of such a response would have to be read otherwise.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #pending: PendingReply
  readonly #maxBytes: number
  readonly #started: () => void
  #controller: Controller | undefined
  #hasStarted = false
  #status = 0
  #type = ''
  #retryAfter: string | undefined
  #chunks: Buffer[] = []
  #length = 0

  /** @param started called once, when the exchange no longer waits for a connection */
  constructor(pending: PendingReply, maxBytes: number, started: () => void) {
    this.#pending = pending
    this.#maxBytes = maxBytes
    this.#started = started
    pending.giveUp = () => this.#controller?.abort(GIVEN_UP)
  }

  onRequestStart(controller: Controller): void {
    this.#start()
    // Given up while it waited for a connection. Thrown, not aborted: an abort would close the connection, which is a good one.
    if (this.#pending.settled) throw GIVEN_UP
    this.#controller = controller
  }

  onResponseStart(controller: Controller, status: number, headers: Headers): void {
    if (status < 200) return
    this.#status = status
    this.#type = one(headers['content-type'])
    this.#retryAfter = one(headers['retry-after']) || undefined
    if (Number(one(headers['content-length'])) > this.#maxBytes) this.#tooLong(controller)
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    this.#length += chunk.length
    if (this.#length > this.#maxBytes) return this.#tooLong(controller)
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
    this.#started()
  }

  #tooLong(controller: Controller): void {
    this.#chunks = []
    this.#pending.settle(invalidAnswer(`expected at most ${this.#maxBytes} octets, got more`))
    controller.abort(GIVEN_UP)
  }

  /** Only an answer has to be JSON; of other statuses the body is read when it is. */
  #reply(): HostReply {
    if (this.#status === 204) return { kind: 'none' }
    if (!isJson(this.#type)) return this.#withoutJson()
    const body = parsedJson(this.#text())
    if ('value' in body) return replyOfStatus(this.#status, body.value, this.#retryAfter)
    return this.#status === 200 ? body : replyOfStatus(this.#status, undefined, this.#retryAfter)
  }

  #withoutJson(): HostReply {
    if (this.#status !== 200) return replyOfStatus(this.#status, undefined, this.#retryAfter)
    return invalidAnswer(`expected JSON, got ${this.#length} octets of ${this.#type || 'no Content-Type'}`)
  }

  #text(): string {
    const [only] = this.#chunks
    return (this.#chunks.length === 1 ? only! : Buffer.concat(this.#chunks)).toString('utf8')
  }
}

function one(value: string | string[] | undefined): string {
  return (Array.isArray(value) ? value[0] : value) ?? ''
}

/** Errors of the HTTP parser mean that something else than a web server answers, or that headers break their bound. */
function replyOfError(error: Error): HostReply {
  const code = (error as { code?: string }).code ?? error.message
  const isUnreadable = error.name === 'HTTPParserError' || code === 'UND_ERR_HEADERS_OVERFLOW'
  return isUnreadable
    ? invalidAnswer(`the response is not readable HTTP: ${code}`)
    : unreachable(`the function could not be reached: ${code}`)
}
