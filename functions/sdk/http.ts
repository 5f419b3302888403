import type { Hono } from 'hono'
import type { Invocation } from '../contract/envelope.ts'
import type { Problem, Result } from '../contract/problem.ts'
import { problemResponse } from '../contract/problem-response.ts'
import type { SignedMessage, Signer } from '../contract/sign.ts'
import type { Trust } from '../contract/trust.ts'
import { validateInvocation } from '../contract/validate.ts'
import { readText } from './read-text.ts'
import type { SipRouter } from './router.ts'

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

type Serve = (request: Request, env: unknown, ctx: unknown) => Promise<Response>

/** `POST /{method}/{domain}/{user}`, `POST /on/{name}`, `GET /.well-known/rouse`; the rest is the developer's own. */
export function serveInvocations(options: ServeOptions): Serve {
  const { router, basePath } = options
  const base = basePath === '' ? '' : `/${basePath.replace(/^\/+|\/+$/g, '')}`
  router.http.notFound(() => problemResponse({ code: 'not_found', detail: 'there is nothing at this path' }))
  return async (request, env, ctx) => {
    const path = pathBelow(request.url, base)
    if (path === '/.well-known/rouse' && request.method === 'GET') return manifest(request, env, options)
    if (path === undefined || request.method !== 'POST' || !isInvocation(path, request, options)) {
      return router.http.fetch(request, env as object, ctx as never)
    }
    return invoked(path, request, env, options)
  }
}

/** Read again and again with the same answer: a replay learns nothing that it had not. */
async function manifest(request: Request, env: unknown, { router, trust, now }: ServeOptions): Promise<Response> {
  const sender = await senderOf(request, '', trust(request.url, env), now)
  if (!sender.ok) return problemResponse(sender.problem)
  return signed(200, JSON.stringify(router.manifest()), sender.value, now)
}

async function invoked(path: string, request: Request, env: unknown, options: ServeOptions): Promise<Response> {
  const { router, trust, now } = options
  const trusted = trust(request.url, env)
  // Nothing of a stranger's is read.
  if ('problem' in trusted && trusted.problem) return problemResponse(trusted.problem)
  const text = await readText(request)
  if (!text.ok) return problemResponse(text.problem)
  const sender = await senderOf(request, text.value, trusted, now)
  if (!sender.ok) return problemResponse(sender.problem)
  const invocation = readInvocation(text.value)
  if (!invocation.ok) return problemResponse(invocation.problem)
  const { data } = invocation.value
  if (sender.value && !(await isNew(sender.value.message, data.attempt, options))) return problemResponse(REPLAYED)
  const dispatched = {
    env,
    // Made when it is asked for: a server that has to make it pays for it.
    get signal() {
      return request.signal
    },
  }
  const { status, body } = await router.dispatch(data.path ?? path, invocation.value, dispatched)
  if (status === 204) return signed(204, '', sender.value, now)
  if (status === 200) return signed(200, JSON.stringify(body), sender.value, now)
  return json(status, JSON.stringify(body), { 'content-type': 'application/problem+json' })
}

/** Who has sent a request, and how to sign what it gets; undefined when anybody may send. */
type Sender = { message: SignedMessage; signer: Signer } | undefined

async function senderOf(request: Request, body: string, trust: Trust, now: () => number): Promise<Result<Sender>> {
  if ('problem' in trust && trust.problem) return { ok: false, problem: trust.problem }
  if (!('signer' in trust) || !trust.signer) return { ok: true, value: undefined }
  const { signer } = trust
  const verified = await signer.verify((name) => request.headers.get(name), body, now())
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
function isInvocation(path: string, request: Request, { router }: ServeOptions): boolean {
  const [, method = '', ...rest] = path.split('/', 4)
  if (rest.length === 0) return false
  if (SIP_METHODS.has(method.toUpperCase())) return true
  const type = request.headers.get('content-type') ?? ''
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
async function signed(status: 200 | 204, body: string, sender: Sender, now: () => number): Promise<Response> {
  const signature = await sender?.signer.sign(sender.message.id, body, now())
  if (status === 204) return new Response(null, { status, headers: { ...signature } })
  return json(status, body, { 'content-type': 'application/json', ...signature })
}

function json(status: number, body: string, headers: Record<string, string>): Response {
  return new Response(body, { status, headers })
}
