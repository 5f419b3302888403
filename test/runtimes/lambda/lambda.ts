import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Program } from '../../interop/program.ts'
import { type Front, lambdaEvent } from './events.ts'
import { type Outcome, RuntimeApi } from './runtime-api.ts'

const BOOTSTRAP = fileURLToPath(new URL('./bootstrap.mjs', import.meta.url))
/** Octets of an event at most (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html). */
const MAX_EVENT_OCTETS = 6_291_556

/** What a handler returns to HTTP. */
interface LambdaResult {
  statusCode: number
  headers?: Record<string, string>
  multiValueHeaders?: Record<string, string[]>
  cookies?: string[]
  body?: string
  isBase64Encoded?: boolean
}

/** A function as AWS runs it: its bundle in a process of its own, behind the Runtime API; what stands in front of it answers HTTP. */
export class Lambda {
  readonly api: RuntimeApi
  readonly program: Program
  readonly #server: Server
  readonly #front: Front

  private constructor(api: RuntimeApi, program: Program, front: Front) {
    this.api = api
    this.program = program
    this.#front = front
    this.#server = createServer((request, response) => void this.#serve(request, response))
  }

  /** @param bundle `index.mjs`, which exports `handler` */
  static async start(bundle: string, front: Front, env: Record<string, string>): Promise<Lambda> {
    const api = await RuntimeApi.start()
    const program = new Program('lambda', process.execPath, [BOOTSTRAP], {
      cwd: dirname(bundle),
      env: {
        ...env,
        AWS_LAMBDA_RUNTIME_API: api.address,
        AWS_LAMBDA_FUNCTION_NAME: 'routes',
        LAMBDA_TASK_ROOT: dirname(bundle),
        _HANDLER: 'index.handler',
      },
    })
    void program.exited.then(() => api.fail(`the process has ended: ${program.output.slice(-2000)}`))
    const lambda = new Lambda(api, program, front)
    lambda.#server.listen(0, '127.0.0.1')
    await once(lambda.#server, 'listening')
    return lambda
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await this.program.stop()
    await this.api.stop()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = '/', query = ''] = (request.url ?? '/').split(/\?(.*)/s)
    const { method = 'GET', rawHeaders } = request
    const headers = rawHeaders.flatMap((name, at): [string, string][] =>
      at % 2 === 0 ? [[name.toLowerCase(), rawHeaders[at + 1]!]] : [],
    )
    const event = lambdaEvent(this.#front, { method, path, query, headers, body: await buffer(request) })
    if (Buffer.byteLength(JSON.stringify(event)) > MAX_EVENT_OCTETS) response.writeHead(413).end()
    else answer(response, await this.api.invoke(event))
  }
}

/** What failed is a 502, and nobody outside learns why. */
function answer(response: ServerResponse, outcome: Outcome): void {
  if ('error' in outcome) {
    response.writeHead(502, { 'content-type': 'application/json' }).end('{"message":"Internal Server Error"}')
    return
  }
  const { statusCode, headers, multiValueHeaders, cookies, body, isBase64Encoded } = outcome.result as LambdaResult
  const all = { ...headers, ...multiValueHeaders }
  response.writeHead(statusCode, { ...all, ...(cookies ? { 'set-cookie': cookies } : {}) })
  response.end(Buffer.from(body ?? '', isBase64Encoded ? 'base64' : 'utf8'))
}
