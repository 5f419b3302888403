import type { Answer } from '../contract/actions.ts'
import type { Invocation, Manifest } from '../contract/envelope.ts'
import { validateAnswer, validateInvocation, validateManifest } from '../contract/validate.ts'

/** What can be tested: a `SipRouter`, or whatever serves the contract over HTTP. */
export interface TestedApp {
  manifest?(): unknown
  fetch(request: Request, env?: unknown): Response | Promise<Response>
  dispatch?(
    path: string,
    invocation: Invocation,
    options?: { env?: unknown; onError?: (error: unknown) => void },
  ): Promise<{ status: number; body?: unknown }>
}

/** Where unsigned requests are taken, since the environment says so: nobody but the test can ask here. */
const ORIGIN = 'http://localhost'
const UNSIGNED = { WEBHOOK_SECRET: undefined, FUNCTIONS_UNSIGNED: 'loopback' }

/**
 * The functions, asked with the JSON a gateway would send; every answer is checked as a gateway does. Nothing is signed: a router is asked
 * past its HTTP, and whatever has only `fetch` is told by its environment to take what is unsigned.
 */
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
    const manifest = this.#app.manifest ? this.#app.manifest() : await this.#fetchedManifest()
    if (manifest === undefined) return undefined
    const read = validateManifest(manifest)
    if (!read.ok) throw new Error(`the manifest: ${read.problem.detail}`)
    return read.value
  }

  async #fetchedManifest(): Promise<unknown> {
    const response = await this.#fetch('/.well-known/rouse')
    if (response.status === 404) return undefined
    if (!response.ok) throw new Error(refusal('/.well-known/rouse', response.status, parsed(await response.text())))
    return response.json()
  }

  #fetch(path: string, init?: RequestInit): Response | Promise<Response> {
    return this.#app.fetch(new Request(ORIGIN + path, init), { ...(this.#env ?? {}), ...UNSIGNED })
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
    const response = await this.#fetch(path, { method: 'POST', headers, body: JSON.stringify(invocation) })
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
