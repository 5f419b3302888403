import { type Context, Hono, type Next } from 'hono'
import { readOctets } from '../../functions/contract/read-body.ts'
import { createTokenCheck, isLoopbackName } from '../../functions/contract/token.ts'
import { itemOf, transactionOf } from './answer.ts'
import { commandOf, commandOfPath, commandsOf } from './command.ts'
import { RedisAway } from './redis-link.ts'
import type { Command, Reply } from './resp.ts'

export interface AppOptions {
  /** One reply per command, in order; rejects with RedisAway. */
  send(commands: readonly Command[]): Promise<Reply[]>
  /** Messages of a channel, or of the channels of a pattern, as server-sent events. */
  subscribe(verb: 'SUBSCRIBE' | 'PSUBSCRIBE', channel: string): Promise<ReadableStream<Uint8Array>>
  /** Absent: open to this machine, except for web pages. */
  token?: string | undefined
  /** Octets of a request body; default 10 MiB, as the smaller plans of Upstash have it. */
  bodyLimit?: number | undefined
}

const BODY_LIMIT = 10 * 1024 * 1024
/** The connection ends with the stream: kept, it would only hold up the end of the server. */
const EVENT_STREAM = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', 'connection': 'close' }
const METHODS = ['GET', 'HEAD', 'POST', 'PUT']

/** The REST API of Upstash over one Redis. */
export function createUpstashApp({ send, subscribe, token, bodyLimit = BODY_LIMIT }: AppOptions): Hono {
  const app = new Hono()
  app.onError(unexpected)
  app.use(guard(token))
  app.use(methods)
  app.all('/', (c) => command(c, (body) => parsed(body, commandOf, 'ERR failed to parse command')))
  app.all('/pipeline', (c) => batch(c, pipeline))
  app.all('/multi-exec', (c) => batch(c, transaction))
  app.all('/subscribe/:channel', (c) => events(c, 'SUBSCRIBE'))
  app.all('/psubscribe/:channel', (c) => events(c, 'PSUBSCRIBE'))
  app.all('*', (c) =>
    command(c, (body) => {
      const { pathname, search } = new URL(c.req.url)
      return commandOfPath(pathname, body, search.slice(1))
    }),
  )
  return app

  async function command(c: Context, read: (body: Buffer) => ReturnType<typeof commandOf>): Promise<Response> {
    const body = await bodyOf(c)
    if (body instanceof Response) return body
    const request = read(body)
    if (!request.ok) return fault(c, request.problem)
    const [reply] = await send([request.value])
    const item = itemOf(reply!, isBase64(c))
    return c.json(item, 'error' in item ? 400 : 200)
  }

  async function batch(
    c: Context,
    run: (c: Context, commands: ReturnType<typeof commandOf>[]) => Promise<Response>,
  ): Promise<Response> {
    const body = await bodyOf(c)
    if (body instanceof Response) return body
    const request = parsed(body, commandsOf, 'ERR failed to parse pipeline request')
    return request.ok ? run(c, request.value) : fault(c, request.problem)
  }

  /** Each command succeeds or fails alone. */
  async function pipeline(c: Context, commands: ReturnType<typeof commandOf>[]): Promise<Response> {
    const replies = await send(commands.flatMap((each) => (each.ok ? [each.value] : [])))
    let next = 0
    return c.json(commands.map((each) => (each.ok ? itemOf(replies[next++]!, isBase64(c)) : { error: each.problem })))
  }

  /** One command that may not be sent keeps all of them from being sent. */
  async function transaction(c: Context, commands: ReturnType<typeof commandOf>[]): Promise<Response> {
    const allowed: Command[] = []
    for (const each of commands) {
      if (!each.ok) return fault(c, each.problem)
      allowed.push(each.value)
    }
    const answer = transactionOf(await send([['MULTI'], ...allowed, ['EXEC']]), isBase64(c))
    return c.json(answer, 'error' in answer ? 400 : 200)
  }

  async function events(c: Context, verb: 'SUBSCRIBE' | 'PSUBSCRIBE'): Promise<Response> {
    if (c.req.method === 'HEAD') return c.body(null)
    const stream = await subscribe(verb, c.req.param('channel')!)
    return c.body(stream, 200, EVENT_STREAM)
  }

  async function bodyOf(c: Context): Promise<Buffer | Response> {
    if (c.req.header('upstash-response-format') === 'resp2')
      return fault(c, 'ERR Upstash-Response-Format: resp2 is not available here; leave the header out')
    const body = await readOctets(c.req.raw, bodyLimit)
    if (body.ok) return Buffer.from(body.value.buffer)
    return fault(c, `ERR max request size exceeded. Limit: ${bodyLimit} bytes; send less at once`)
  }
}

/**
 * With a token: who does not send it gets 401. Without one anybody on this machine may ask, but no web page that happens to be
 * open in its browser: neither by a name that was made to resolve to 127.0.0.1 nor by a form or an image.
 */
function guard(token: string | undefined) {
  const isRight = token === undefined ? undefined : createTokenCheck(token)
  return async (c: Context, next: Next) => {
    if (!isRight) {
      if (isLoopbackName(new URL(c.req.url).hostname) && !isFromPage(c)) return next()
      return c.json({ error: 'ERR without UPSTASH_LOCAL_TOKEN only programs on this machine may ask; set it' }, 401)
    }
    const isKnown =
      (await isRight(c.req.header('authorization'))) || (await isRight(`Bearer ${c.req.query('_token') ?? ''}`))
    return isKnown ? next() : c.json({ error: 'WRONGPASS invalid or missing auth token' }, 401)
  }
}

function isFromPage(c: Context): boolean {
  return c.req.header('origin') !== undefined || (c.req.header('sec-fetch-site') ?? 'none') !== 'none'
}

async function methods(c: Context, next: Next) {
  if (METHODS.includes(c.req.method)) return next()
  return c.json({ error: `ERR method ${c.req.method} is not allowed; use GET or POST` }, 405)
}

function parsed<T>(body: Buffer, read: (json: unknown) => T, problem: string): T | { ok: false; problem: string } {
  try {
    return read(JSON.parse(body.toString('utf8')))
  } catch {
    return { ok: false, problem: `${problem}: the body is not JSON` }
  }
}

function isBase64(c: Context): boolean {
  return c.req.header('upstash-encoding')?.toLowerCase() === 'base64'
}

function fault(c: Context, error: string): Response {
  return c.json({ error }, 400)
}

function unexpected(error: Error, c: Context): Response {
  if (error instanceof RedisAway) return c.json({ error: `ERR ${error.message}` }, 503)
  process.stderr.write(`upstash-local: ${c.req.method} ${c.req.path} failed: ${error.stack}\n`)
  return c.json({ error: 'ERR internal error; the log of the server says which' }, 500)
}
