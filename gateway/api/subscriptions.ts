import type { Context, Hono } from 'hono'
import type { Clock } from '../../functions/contract/clock.ts'
import { faultProblem } from '../../functions/contract/fault.ts'
import type { Problem, Result } from '../../functions/contract/problem.ts'
import { readBody } from '../../functions/contract/read-body.ts'
import type { Book } from '../outbox/book.ts'
import type { Delivery } from '../outbox/delivery.ts'
import type { SubscriptionTarget } from '../outbox/sink.ts'
import { liveSecrets, type Subscription, silence, wishOf } from '../outbox/subscription.ts'
import { problemResponse, stored } from './problem-response.ts'

export interface SubscriptionsOptions {
  book: Book
  /** What a subscription may deliver to. */
  kinds: readonly (keyof SubscriptionTarget)[]
  /** Whether an URL without TLS may lead anywhere. */
  allowsHttp: boolean
}

const BODY_LIMIT = 65_536
const NOT_FOUND: Problem = { code: 'not_found', detail: 'there is no such subscription' }

/** `/subscriptions`: who wants to be told of what, and what waits to be told. */
export function serveSubscriptions(app: Hono, options: SubscriptionsOptions, clock: Clock): void {
  const { book } = options
  const found = async (c: Context, work: (id: string) => Promise<Subscription | undefined>) => {
    const subscription = await stored(work(c.req.param('id')!))
    return subscription ? c.json(shown(subscription, clock.now())) : problemResponse(c, NOT_FOUND)
  }

  app.post('/subscriptions', async (c) => {
    const wish = await wanted(c, options, clock)
    if (!wish.ok) return problemResponse(c, wish.problem)
    const subscription = await stored(book.create(wish.value))
    return c.json(withSecret(subscription, clock.now()), 201, { location: `/subscriptions/${subscription.id}` })
  })
  app.get('/subscriptions', async (c) => {
    const all = (await stored(book.all())).map(({ subscription }) => shown(subscription, clock.now()))
    return c.json({ subscriptions: all.sort((one, other) => (one.createdAt < other.createdAt ? -1 : 1)) })
  })
  app.get('/subscriptions/:id', (c) => found(c, async (id) => (await book.find(id))?.subscription))
  app.delete('/subscriptions/:id', async (c) =>
    (await stored(book.remove(c.req.param('id')))) ? c.body(null, 204) : problemResponse(c, NOT_FOUND),
  )
  app.post('/subscriptions/:id/pause', (c) => found(c, (id) => book.change(id, (one) => ({ ...one, isPaused: true }))))
  app.post('/subscriptions/:id/resume', (c) =>
    found(c, (id) => book.change(id, ({ isPaused: _, ...subscription }) => subscription)),
  )
  app.post('/subscriptions/:id/rotate', async (c) => {
    const known = await stored(book.find(c.req.param('id')))
    if (!known) return problemResponse(c, NOT_FOUND)
    if (known.subscription.target.url === undefined)
      return problemResponse(c, { code: 'request.invalid', detail: 'only what goes to a url is signed' })
    const subscription = await stored(book.rotate(c.req.param('id'), undefined))
    return subscription ? c.json(withSecret(subscription, clock.now())) : problemResponse(c, NOT_FOUND)
  })
  app.post('/subscriptions/:id/test', async (c) => {
    const known = await stored(book.find(c.req.param('id')))
    if (!known) return problemResponse(c, NOT_FOUND)
    return c.json(shownDelivery(await stored(book.test(known.subscription))), 202)
  })
  deliveries(app, book)
}

function deliveries(app: Hono, book: Book): void {
  app.get('/subscriptions/:id/deliveries', async (c) => {
    const state = c.req.query('state') ?? 'waiting'
    if (state !== 'waiting' && state !== 'dead') {
      const detail = `state: expected waiting or dead, got "${state.slice(0, 40)}"`
      return problemResponse(c, { code: 'request.invalid', detail })
    }
    const all = await stored(state === 'waiting' ? book.waiting() : book.dead())
    const own = all.filter(({ subscription }) => subscription === c.req.param('id'))
    return c.json({ deliveries: own.sort((one, other) => one.sequence - other.sequence).map(shownDelivery) })
  })
  const replay = async (c: Context, isMeant: (letter: Delivery) => boolean) => {
    const id = c.req.param('id')!
    if (!(await stored(book.find(id)))) return problemResponse(c, NOT_FOUND)
    const letters = (await stored(book.dead())).filter((letter) => letter.subscription === id && isMeant(letter))
    return c.json({ replayed: await stored(book.replay(id, letters)) }, 202)
  }
  app.post('/subscriptions/:id/replay', (c) => replay(c, () => true))
  app.post('/subscriptions/:id/deliveries/:delivery/replay', (c) => {
    const id = c.req.param('delivery')
    return replay(c, (letter) => letter.id === id)
  })
}

async function wanted(c: Context, { kinds, allowsHttp }: SubscriptionsOptions, clock: Clock) {
  // Anything else a web page could post across origins without asking.
  const type = (c.req.header('content-type') ?? '').split(';', 1)[0]!.trim().toLowerCase()
  if (type !== 'application/json')
    return refused([], `Content-Type: expected application/json, got "${type.slice(0, 80)}"`)
  const text = await readBody(c.req.raw, BODY_LIMIT)
  if (!text.ok) return text
  const wish = wishOf(parsed(text.value), clock.now())
  if (!wish.ok) return wish
  const { target } = wish.value
  const kind = Object.keys(target)[0] as keyof SubscriptionTarget
  if (!kinds.includes(kind)) return refused([kind], 'this gateway has no setting for it')
  const message = target.url === undefined ? undefined : urlFault(new URL(target.url), allowsHttp)
  return message === undefined ? wish : refused(['url'], message)
}

/** Where its name leads is looked at whenever it is connected to. */
function urlFault({ protocol, username, password }: URL, allowsHttp: boolean): string | undefined {
  if (username || password) return 'may hold no credentials: the signature says who sends'
  if (protocol === 'https:' || (protocol === 'http:' && allowsHttp)) return undefined
  return `expected https://${protocol === 'http:' ? ', or SUBSCRIPTION_NETWORKS to be where http:// may lead' : ''}`
}

function refused(path: string[], message: string): Result<never> {
  return { ok: false, problem: faultProblem('request.invalid', { path, message }) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Never a secret. */
function shown(subscription: Subscription, now: number) {
  const { id, types, filter, target, createdAt, expiresAt, ended } = subscription
  return {
    ...{ id, type: types.length === 1 ? types[0] : types, filter, ...target },
    state: silence(subscription, now) ?? 'active',
    ...(ended ? { ended: { at: iso(ended.at), why: ended.why } } : {}),
    createdAt: iso(createdAt),
    ...(expiresAt === undefined ? {} : { expires: iso(expiresAt) }),
  }
}

/** Once: when it was made or replaced. */
function withSecret(subscription: Subscription, now: number) {
  const secret = liveSecrets(subscription, now).split(' ')[0]
  return { ...shown(subscription, now), ...(secret ? { secret } : {}) }
}

function shownDelivery({ id, messageId, sequence, key, event, queuedAt, attempts, nextAt, error, deadAt }: Delivery) {
  return {
    ...{ id, messageId, sequence, ...(key === '' ? {} : { key }), event, queuedAt: iso(queuedAt), attempts },
    ...(error === undefined ? {} : { error }),
    ...(deadAt === undefined ? { nextAt: iso(nextAt) } : { deadAt: iso(deadAt) }),
  }
}

function iso(time: number): string {
  return new Date(time).toISOString()
}
