import type { Answer } from '../contract/actions.ts'
import type { Invocation, Manifest } from '../contract/envelope.ts'
import { validateAnswer, validateInvocation, validateManifest } from '../contract/validate.ts'

/** What can be tested: a `SipRouter`, or whatever serves the contract over HTTP. */
export interface TestedApp {
  fetch(request: Request, env?: unknown): Response | Promise<Response>
  dispatch?(
    path: string,
    invocation: Invocation,
    options?: { env?: unknown; onError?: (error: unknown) => void },
  ): Promise<{ status: number; body?: unknown }>
}

const ORIGIN = 'http://functions.simulated'

/** The functions, asked with the JSON a gateway would send; every answer is checked as a gateway does. */
export class Functions {
  readonly #app: TestedApp
  readonly #env: unknown
  #manifest: Promise<Manifest | undefined> | undefined

  constructor(app: TestedApp, env: unknown) {
    this.#app = app
    this.#env = env
  }

  /** undefined: it has none, and is asked about everything. */
  get manifest(): Promise<Manifest | undefined> {
    this.#manifest ??= this.#readManifest()
    return this.#manifest
  }

  async #readManifest(): Promise<Manifest | undefined> {
    const response = await this.#app.fetch(new Request(`${ORIGIN}/.well-known/rouse`), this.#env)
    if (response.status === 404) return undefined
    const read = validateManifest(await response.json())
    if (!read.ok) throw new Error(`the manifest: ${read.problem.detail}`)
    return read.value
  }

  /** Rejects with the handler's own error when it throws, with the pointer to the fault when its answer is refused. */
  async invoke(path: string, invocation: Invocation): Promise<Answer | 'not mine'> {
    const read = validateInvocation(JSON.parse(JSON.stringify(invocation)))
    if (!read.ok) throw new Error(`the request makes no invocation: ${read.problem.detail}`)
    const thrown: unknown[] = []
    const { status, body } = await this.#ask(path, read.value, (error) => thrown.push(error))
    if (thrown.length > 0) throw thrown[0]
    if (status === 204) return 'not mine'
    if (status !== 200) throw new Error(refusal(path, status, body))
    const answer = validateAnswer(body)
    if (answer.ok) return answer.value
    const { detail, pointer } = answer.problem
    throw new Error(`a gateway refuses the answer of ${path}: ${detail} (at ${pointer || 'its root'})`)
  }

  async #ask(path: string, invocation: Invocation, onError: (error: unknown) => void) {
    if (this.#app.dispatch) {
      const { status, body } = await this.#app.dispatch(path, invocation, { env: this.#env, onError })
      return { status, body: body === undefined ? undefined : JSON.parse(JSON.stringify(body)) }
    }
    const headers = { 'content-type': 'application/cloudevents+json', 'webhook-id': invocation.id }
    const request = new Request(ORIGIN + path, { method: 'POST', headers, body: JSON.stringify(invocation) })
    const response = await this.#app.fetch(request, this.#env)
    const text = await response.text()
    return { status: response.status, body: parsed(text) }
  }
}

function parsed(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text)
  } catch {
    return text
  }
}

function refusal(path: string, status: number, body: unknown): string {
  const { title, detail } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  const what = title === undefined ? String(body ?? '').slice(0, 200) : `${title}: ${detail}`
  return `${path} was answered with ${status} ${what}`.trim()
}
