import { type Context, Hono } from 'hono'
import type { Clock } from '../../functions/contract/clock.ts'
import { createTokenCheck, isLoopbackName } from '../../functions/contract/token.ts'
import type { Log } from '../observe/log.ts'
import { PROMETHEUS_TYPE } from '../observe/prometheus.ts'
import { canonicalAor } from '../sip/uri.ts'
import { problemResponse, stored, unexpected } from './problem-response.ts'
import { shownRegistration } from './shown.ts'
import { type SubscriptionsOptions, serveSubscriptions } from './subscriptions.ts'
import type { Calls, Events, Health, Registrations } from './types.ts'

export interface ApiOptions {
  events: Events
  calls: Calls
  registrations: Registrations
  health: Health
  /** Absent: there are none. */
  subscriptions?: SubscriptionsOptions
  /** Prometheus text. */
  metrics: () => string
  /** Bearer token that everything but health asks for; absent: open, for loopback only. */
  token?: string | undefined
  clock: Clock
  log: Log
}

/** Entries of a list: default and most. */
const PAGE = 100
const PAGE_MAX = 1000

/** The HTTP API of one gateway. Trouble is answered as problem details (RFC 9457). */
export function createApi(options: ApiOptions): Hono {
  const app = new Hono()
  app.onError((error, c) => unexpected(c, error, options.log))
  app.notFound((c) => problemResponse(c, { code: 'not_found', detail: `nothing is at ${c.req.path}` }))
  health(app, options.health)
  // Whoever posts events says himself who he is.
  app.on(['POST', 'OPTIONS'], ['/events', '/events/:mapping'], (c) => options.events.receive(c.req.raw, addressOf(c)))
  const refusal = guard(options.token)
  app.use(async (c, next) => (await refusal(c)) ?? next())
  calls(app, options.calls)
  registrations(app, options)
  if (options.subscriptions) serveSubscriptions(app, options.subscriptions, options.clock)
  app.get('/metrics', (c) => c.body(options.metrics(), 200, { 'content-type': PROMETHEUS_TYPE }))
  return app
}

/** Liveness says that the process turns, readiness that it should get calls. */
function health(app: Hono, { ready }: Health): void {
  app.get('/healthz', (c) => c.json({ status: 'ok' }))
  app.get('/readyz', (c) => {
    const excluded = c.req.queries('exclude') ?? []
    const unknown = excluded.find((name) => name !== 'store')
    if (unknown !== undefined) return badExclusion(c, unknown)
    const state = ready({ withoutStore: excluded.length > 0 })
    return c.json(state, state.ready ? 200 : 503)
  })
}

/**
 * With a token: who does not send it gets 401. Without one the API is for this machine alone, and the Host must say so: a web
 * page whose name was made to resolve to 127.0.0.1 (DNS rebinding) would otherwise read and post what it likes.
 */
function guard(token: string | undefined) {
  const isRight = token === undefined ? undefined : createTokenCheck(token)
  return async (c: Context): Promise<Response | undefined> => {
    const isAllowed = isRight
      ? await isRight(c.req.header('authorization'))
      : isLoopbackName(new URL(c.req.url).hostname)
    if (isAllowed) return undefined
    c.header('www-authenticate', 'Bearer')
    const detail = isRight
      ? 'send Authorization: Bearer with the API_TOKEN'
      : 'ask as localhost, or set API_TOKEN and send it'
    return problemResponse(c, { code: 'request.unauthorized', detail })
  }
}

/** Of who asks; '' when that is not known. */
function addressOf(c: Context): string {
  const { incoming } = (c.env ?? {}) as { incoming?: { socket?: { remoteAddress?: string } } }
  return incoming?.socket?.remoteAddress ?? ''
}

function calls(app: Hono, view: Calls): void {
  app.get('/calls', async (c) => {
    const limit = limitOf(c)
    if (limit === undefined) return badLimit(c)
    return c.json({ calls: await view.list(limit) })
  })
  app.get('/calls/:id', async (c) => {
    const call = await view.get(c.req.param('id'))
    return call
      ? c.json(call)
      : problemResponse(c, { code: 'not_found', detail: 'no such call; ended ones are kept for a while only' })
  })
}

function registrations(app: Hono, { registrations: view, clock }: ApiOptions): void {
  app.get('/registrations', async (c) => {
    const limit = limitOf(c)
    if (limit === undefined) return badLimit(c)
    const page = await stored(view.registrations(c.req.query('cursor') ?? '', limit))
    const shown = page.bindings.map((binding) => shownRegistration(binding, clock.now()))
    return c.json({ registrations: shown, ...(page.cursor ? { cursor: page.cursor } : {}) })
  })
  app.get('/registrations/:aor', async (c) => {
    const aor = c.req.param('aor')
    const { bindings } = await stored(view.lookup(canonicalAor(/^(sips?|tel):/i.test(aor) ? aor : `sip:${aor}`)))
    if (bindings.length === 0)
      return problemResponse(c, { code: 'not_found', detail: 'nobody is registered under this address' })
    return c.json({ registrations: bindings.map((binding) => shownRegistration(binding, clock.now())) })
  })
}

/** `?limit=`, 1 to 1000; `undefined` when it is something else. */
function limitOf(c: Context): number | undefined {
  const text = c.req.query('limit')
  if (text === undefined) return PAGE
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0
  return limit >= 1 && limit <= PAGE_MAX ? limit : undefined
}

function badExclusion(c: Context, name: string): Response {
  const detail = `exclude: expected store, got "${name.slice(0, 40)}"`
  return problemResponse(c, { code: 'request.invalid', detail })
}

function badLimit(c: Context): Response {
  const detail = `limit: expected 1 to ${PAGE_MAX}, got "${(c.req.query('limit') ?? '').slice(0, 40)}"`
  return problemResponse(c, { code: 'request.invalid', detail })
}
