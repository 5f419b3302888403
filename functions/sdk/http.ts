import type { Hono } from 'hono'
import type { Invocation } from '../contract/envelope.ts'
import type { Problem, Result } from '../contract/problem.ts'
import { problemReply, problemResponse } from '../contract/problem-response.ts'
import type { SignedMessage, Signer } from '../contract/sign.ts'
import type { Trust } from '../contract/trust.ts'
import { validateInvocation } from '../contract/validate.ts'
import { readText } from './read-text.ts'
import type { SipRouter } from './router.ts'
import type { DispatchOptions } from './router-types.ts'

export interface ServeOptions {
  // biome-ignore lint/suspicious/noExplicitAny: a router of any types is served alike.
  router: SipRouter<any>
  trust(url: string, env: unknown): Trust
  /** Whether what was signed at `timestamp`, in seconds, was not here before. */
  isFirst(key: string, timestamp: number): boolean | Promise<boolean>
  now(): number
  basePath: string
}

/** A POST below one of these is always an invocation. */
const SIP_METHODS = new Set([
  ...['INVITE', 'REGISTER', 'MESSAGE', 'OPTIONS', 'SUBSCRIBE', 'NOTIFY', 'PUBLISH', 'REFER', 'INFO', 'UPDATE', 'PRACK'],
  ...['ACK', 'BYE', 'CANCEL', 'ON'],
])

/** A request, whoever has read it. */
export interface Asked {
  method: string
  /** As it was sent, with the host that it was sent to. */
  url: string
  /** A header by its lower-case name. */
  header(name: string): string | null | undefined
  /** The body; problem `request.too_large` when it is longer than an invocation may be. */
  text(): Promise<Result<string>>
  /** Aborts when the answer is not wanted any more. */
  readonly signal: AbortSignal
}

/** What it is answered with. */
export interface Reply {
  status: number
  headers: Record<string, string>
  body: string | null
}

export interface Served {
  /** `POST /{method}/{domain}/{user}`, `POST /on/{name}`, `GET /.well-known/rouse`; the rest is the developer's own. */
  fetch(request: Request, env: unknown, ctx: unknown): Promise<Response>
  /** The same of an invocation; undefined for anything else. */
  answer(asked: Asked, env: unknown): Promise<Reply> | undefined
}

export function serveInvocations(options: ServeOptions): Served {
  const { router, basePath } = options
  const base = basePath === '' ? '' : `/${basePath.replace(/^\/+|\/+$/g, '')}`
  router.http.notFound(() => problemResponse({ code: 'not_found', detail: 'there is nothing at this path' }))
  const answer = (asked: Asked, env: unknown) => {
    const path = asked.method === 'POST' ? pathBelow(asked.url, base) : undefined
    return path !== undefined && isInvocation(path, asked, options) ? invoked(path, asked, env, options) : undefined
  }
  return {
    answer,
    async fetch(request, env, ctx) {
      const asked = new FetchAsked(request)
      if (request.method === 'GET' && pathBelow(request.url, base) === '/.well-known/rouse')
        return responseOf(await manifest(asked, env, options))
      const reply = answer(asked, env)
      return reply ? responseOf(await reply) : router.http.fetch(request, env as object, ctx as never)
    },
  }
}

class FetchAsked implements Asked {
  readonly #request: Request

  constructor(request: Request) {
    this.#request = request
  }

  get method(): string {
    return this.#request.method
  }

  get url(): string {
    return this.#request.url
  }

  header(name: string): string | null {
    return this.#request.headers.get(name)
  }

  text(): Promise<Result<string>> {
    return readText(this.#request)
  }

  /** Made when it is asked for: a server that has to make it pays for it. */
  get signal(): AbortSignal {
    return this.#request.signal
  }
}

function responseOf({ status, headers, body }: Reply): Response {
  return new Response(body, { status, headers })
}

/** Read again and again with the same answer: a replay learns nothing that it had not. */
async function manifest(asked: Asked, env: unknown, { router, trust, now }: ServeOptions): Promise<Reply> {
  const sender = await senderOf(asked, '', trust(asked.url, env), now)
  if (!sender.ok) return problemReply(sender.problem)
  return signed(200, JSON.stringify(router.manifest()), sender.value, now)
}

async function invoked(path: string, asked: Asked, env: unknown, options: ServeOptions): Promise<Reply> {
  const { router, trust, now } = options
  const trusted = trust(asked.url, env)
  // Nothing of a stranger's is read.
  if ('problem' in trusted && trusted.problem) return problemReply(trusted.problem)
  const text = await asked.text()
  if (!text.ok) return problemReply(text.problem)
  const sender = await senderOf(asked, text.value, trusted, now)
  if (!sender.ok) return problemReply(sender.problem)
  const invocation = readInvocation(text.value)
  if (!invocation.ok) return problemReply(invocation.problem)
  const { data } = invocation.value
  if (sender.value && !(await isNew(sender.value.message, data.attempt, options))) return problemReply(REPLAYED)
  const { status, body } = await router.dispatch(data.path ?? path, invocation.value, new Dispatched(asked, env))
  if (status === 204) return signed(204, null, sender.value, now)
  if (status === 200) return signed(200, JSON.stringify(body), sender.value, now)
  return { status, headers: { 'content-type': 'application/problem+json' }, body: JSON.stringify(body) }
}

/** A class: each object that has a getter of its own costs an invocation more than its JSON does. */
class Dispatched implements DispatchOptions {
  readonly env: unknown
  readonly #asked: Asked

  constructor(asked: Asked, env: unknown) {
    this.#asked = asked
    this.env = env
  }

  get signal(): AbortSignal {
    return this.#asked.signal
  }
}

/** Who has sent a request, and how to sign what it gets; undefined when anybody may send. */
type Sender = { message: SignedMessage; signer: Signer } | undefined

async function senderOf(asked: Asked, body: string, trust: Trust, now: () => number): Promise<Result<Sender>> {
  if ('problem' in trust && trust.problem) return { ok: false, problem: trust.problem }
  if (!('signer' in trust) || !trust.signer) return { ok: true, value: undefined }
  const { signer } = trust
  const verified = await signer.verify((name) => asked.header(name), body, now())
  return verified.ok ? { ok: true, value: { message: verified.value, signer } } : verified
}

const REPLAYED: Problem = {
  code: 'request.replayed',
  detail: 'this invocation was here before: a new try has the same webhook-id, but its own data.attempt and signature',
}

/** The gateway's own retry has the same id, but another attempt, and so another signature. */
function isNew({ id, timestamp }: SignedMessage, attempt: number, { isFirst }: ServeOptions) {
  return isFirst(`${id}.${timestamp}.${attempt}`, timestamp)
}

/** The path as it was sent, without the query; undefined when it is not below `base`. */
function pathBelow(url: string, base: string): string | undefined {
  const start = url.indexOf('/', url.indexOf('//') + 2)
  const query = url.indexOf('?', start)
  const path = start < 0 ? '/' : url.slice(start, query < 0 ? undefined : query)
  if (base === '') return path
  return path.startsWith(`${base}/`) ? path.slice(base.length) : undefined
}

/** Below a SIP method, or below a method nobody has heard of when it comes as a CloudEvent and is not a path of the developer's. */
function isInvocation(path: string, asked: Asked, { router }: ServeOptions): boolean {
  const [, method = '', ...rest] = path.split('/', 4)
  if (rest.length === 0) return false
  if (SIP_METHODS.has(method.toUpperCase())) return true
  const type = asked.header('content-type') ?? ''
  return rest.length === 2 && type.startsWith('application/cloudevents+json') && !isOwnRoute(path, router.http)
}

function isOwnRoute(path: string, http: Hono): boolean {
  return http.router.match('POST', path)[0].some(([[, route]]) => route.method === 'POST')
}

function readInvocation(text: string): Result<Invocation> {
  try {
    return validateInvocation(JSON.parse(text))
  } catch {
    return { ok: false, problem: { code: 'request.invalid', detail: 'the body is not JSON', pointer: '' } }
  }
}

/** What decides about a call is signed with the id of what it answers. */
async function signed(status: 200 | 204, body: string | null, sender: Sender, now: () => number): Promise<Reply> {
  const signature = await sender?.signer.sign(sender.message.id, body ?? '', now())
  const type = body === null ? undefined : { 'content-type': 'application/json' }
  return { status, headers: { ...type, ...signature }, body }
}
