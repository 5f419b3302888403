import type { Context, Hono } from 'hono'
import type { Clock, IdSource } from '../../functions/contract/clock.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import { createSigner, SIGNATURE_TOLERANCE_SECONDS } from '../../functions/contract/sign.ts'
import type { Log } from '../observe/log.ts'
import { eventOfBody } from './event-body.ts'
import { problemResponse, stored } from './problem-response.ts'
import { readBody } from './read-body.ts'
import { Repeats } from './repeats.ts'
import type { Publish } from './types.ts'

export interface EventsOptions {
  publish: Publish
  /** `whsec_…`, two separated by a space while rotating: an event that is signed with it needs no token. Absent: none is. */
  secret?: string | undefined
  /** Octets of a request body; default 65,536. */
  bodyLimit?: number | undefined
  clock: Clock
  ids: IdSource
  log: Log
}

const BODY_LIMIT = 65_536
/** As long as a signature can be good: signed five minutes ahead, until five minutes after. */
const REMEMBERED_MS = 2 * SIGNATURE_TOLERANCE_SECONDS * 1000

/**
 * `POST /events`. A signature is checked wherever there is a secret, and then decides alone; the same `webhook-id` again raises nothing and is
 * answered as the first time.
 * @param refusal what a request without signature gets that may not post; undefined when it may
 */
export function serveEvents(app: Hono, options: EventsOptions, refusal: (c: Context) => Response | undefined): void {
  const { secret, bodyLimit = BODY_LIMIT, clock, ids } = options
  const signer = secret === undefined ? undefined : createSigner(secret)
  const repeats = new Repeats<{ id: string; matched: number }>(REMEMBERED_MS)
  app.post('/events', async (c) => {
    const isSigned = signer !== undefined && c.req.header('webhook-signature') !== undefined
    const refused = isSigned ? undefined : refusal(c)
    if (refused) return refused
    const body = await readBody(c.req.raw, bodyLimit)
    if (!body.ok) return problemResponse(c, body.problem)
    const now = clock.now()
    const verified = isSigned ? await signer.verify((name) => c.req.header(name), body.value, now) : undefined
    if (verified?.ok === false) return problemResponse(c, verified.problem)
    const newId = () => verified?.value.id ?? ids.next('event')
    const event = eventOfBody(c.req.header('content-type') ?? '', body.value, { now, newId })
    if (!event.ok) return problemResponse(c, event.problem)
    const raised = () => raise(event.value, options)
    return c.json(await (verified ? repeats.once(verified.value.id, now, raised) : raised()), 202)
  })
}

async function raise(event: RouseEvent, { publish, log }: EventsOptions): Promise<{ id: string; matched: number }> {
  const { id, type } = event
  const matched = await stored(publish(event))
  log.info('POST /events', { eventId: id, type, matched })
  return { id, matched }
}
