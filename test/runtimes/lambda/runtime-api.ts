import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** What an invocation came to: what the handler returned, or why there is nothing. */
export type Outcome = { result: unknown } | { error: { errorType: string; errorMessage: string } }

interface Invoked {
  id: string
  event: unknown
  finish(outcome: Outcome): void
}

/** Lambda's Runtime API for one process of a function, which takes one invocation at a time. */
export class RuntimeApi {
  /** The function's timeout in milliseconds, as AWS has it: default 3000. */
  timeoutMs = 3000
  readonly #server: Server
  readonly #waiting: Invoked[] = []
  readonly #running = new Map<string, Invoked>()
  #free: ServerResponse | undefined
  #count = 0
  #ended: Outcome | undefined

  private constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response))
  }

  static async start(): Promise<RuntimeApi> {
    const api = new RuntimeApi()
    api.#server.listen(0, '127.0.0.1')
    await once(api.#server, 'listening')
    return api
  }

  /** `AWS_LAMBDA_RUNTIME_API` */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  invoke(event: unknown): Promise<Outcome> {
    return new Promise((finish) => {
      if (this.#ended) return finish(this.#ended)
      this.#waiting.push({ id: `request-${++this.#count}`, event, finish })
      this.#handOut()
    })
  }

  /** The process has ended: nothing more comes of what it was asked. */
  fail(errorMessage: string): void {
    this.#ended = { error: { errorType: 'Runtime.ExitError', errorMessage } }
    for (const { finish } of [...this.#running.values(), ...this.#waiting.splice(0)]) finish(this.#ended)
    this.#running.clear()
  }

  async stop(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, id = '', what = ''] = /\/invocation\/([^/]+)(?:\/(response|error))?$/.exec(request.url ?? '') ?? []
    if (id === 'next') {
      this.#free = response
      return this.#handOut()
    }
    const body = JSON.parse((await text(request)) || 'null')
    if (what === '') this.fail(body.errorMessage)
    else this.#finish(id, what === 'response' ? { result: body } : { error: body })
    response.writeHead(202).end()
  }

  #finish(id: string, outcome: Outcome): void {
    this.#running.get(id)?.finish(outcome)
    this.#running.delete(id)
  }

  #handOut(): void {
    const invoked = this.#free && this.#waiting.shift()
    if (!invoked) return
    this.#running.set(invoked.id, invoked)
    this.#free!.writeHead(200, {
      'content-type': 'application/json',
      'lambda-runtime-aws-request-id': invoked.id,
      'lambda-runtime-deadline-ms': String(Date.now() + this.timeoutMs),
      'lambda-runtime-invoked-function-arn': 'arn:aws:lambda:eu-central-1:000000000000:function:routes',
    })
    this.#free!.end(JSON.stringify(invoked.event))
    this.#free = undefined
  }
}
