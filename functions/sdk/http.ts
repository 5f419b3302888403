import type { Hono } from 'hono'
import type { Invocation } from '../contract/envelope.ts'
import { PROBLEMS, type Problem, problemDetails, type Result } from '../contract/problem.ts'
import type { Signer } from '../contract/sign.ts'
import { validateInvocation } from '../contract/validate.ts'
import type { SipRouter } from './router.ts'

export interface ServeOptions {
  // biome-ignore lint/suspicious/noExplicitAny: a router of any types is served alike.
  router: SipRouter<any>
  signer: Signer | undefined
  now(): number
  basePath: string
}

/** Octets of an invocation that are read at most: a SIP message and the context of a call, many times. */
export const MAX_INVOCATION_BYTES = 4_194_304

/** A POST below one of these is always an invocation. */
const SIP_METHODS = new Set([
  ...['INVITE', 'REGISTER', 'MESSAGE', 'OPTIONS', 'SUBSCRIBE', 'NOTIFY', 'PUBLISH', 'REFER', 'INFO', 'UPDATE', 'PRACK'],
  ...['ACK', 'BYE', 'CANCEL', 'ON'],
])

type Serve = (request: Request, env: unknown, ctx: unknown) => Promise<Response>

/** `POST /{method}/{domain}/{user}`, `POST /on/{name}`, `GET /.well-known/rouse`; the rest is the developer's own. */
export function serveInvocations(options: ServeOptions): Serve {
  const { router, signer, now, basePath } = options
  const base = basePath === '' ? '' : `/${basePath.replace(/^\/+|\/+$/g, '')}`
  router.http.notFound(() => problemResponse({ code: 'not_found', detail: 'there is nothing at this path' }))
  return async (request, env, ctx) => {
    const path = pathBelow(request.url, base)
    if (path === '/.well-known/rouse' && request.method === 'GET') return json(200, router.manifest())
    if (path === undefined || request.method !== 'POST' || !isInvocation(path, request, options)) {
      return router.http.fetch(request, env as object, ctx as never)
    }
    const invocation = await readInvocation(request, signer, now)
    if (!invocation.ok) return problemResponse(invocation.problem)
    return respond(await router.dispatch(path, invocation.value, { env, signal: request.signal }))
  }
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

async function readInvocation(
  request: Request,
  signer: Signer | undefined,
  now: () => number,
): Promise<Result<Invocation>> {
  const text = await readText(request)
  if (!text.ok) return text
  if (signer) {
    const verified = await signer.verify((name) => request.headers.get(name), text.value, now())
    if (!verified.ok) return verified
  }
  const parsed = parseJson(text.value)
  return parsed.ok ? validateInvocation(parsed.value) : parsed
}

async function readText(request: Request): Promise<Result<string>> {
  const tooLarge: Problem = {
    code: 'request.too_large',
    detail: `an invocation has at most ${MAX_INVOCATION_BYTES} octets`,
  }
  if (Number(request.headers.get('content-length') ?? 0) > MAX_INVOCATION_BYTES) return { ok: false, problem: tooLarge }
  const decoder = new TextDecoder()
  let text = ''
  let octets = 0
  for await (const chunk of request.body ?? []) {
    octets += chunk.byteLength
    if (octets > MAX_INVOCATION_BYTES) return { ok: false, problem: tooLarge }
    text += decoder.decode(chunk, { stream: true })
  }
  return { ok: true, value: text + decoder.decode() }
}

function parseJson(text: string): Result<unknown> {
  try {
    return { ok: true, value: JSON.parse(text) }
  } catch {
    return { ok: false, problem: { code: 'request.invalid', detail: 'the body is not JSON', pointer: '' } }
  }
}

function respond({ status, body }: { status: number; body?: unknown }): Response {
  if (status === 204) return new Response(null, { status })
  return json(status, body, status === 200 ? 'application/json' : 'application/problem+json')
}

export function problemResponse(problem: Problem): Response {
  return json(PROBLEMS[problem.code].http, problemDetails(problem), 'application/problem+json')
}

function json(status: number, body: unknown, type = 'application/json'): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': type } })
}
