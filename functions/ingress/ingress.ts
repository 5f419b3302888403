import type { Clock, IdSource } from '../contract/clock.ts'
import type { RouseEvent } from '../contract/events.ts'
import { PROBLEMS, type Problem, type Result } from '../contract/problem.ts'
import { problemResponse } from '../contract/problem-response.ts'
import { RateLimit } from '../contract/rate.ts'
import { eventOfJson, eventsOf } from './event-body.ts'
import { idempotencyKey } from './idempotency-key.ts'
import { type Incoming, incomingOf, parsedJson } from './incoming.ts'
import type { IngressLog } from './log.ts'
import { mappedBody } from './mapped-body.ts'
import type { Mapping } from './mappings.ts'
import type { Once } from './once.ts'
import { type EventDefaults, invalid, type Posted } from './posted-event.ts'
import { Raiser } from './raiser.ts'
import { type Sender, type SenderCheck, type SenderOptions, senderCheck } from './sender.ts'
import type { IngressSettings } from './settings.ts'
import { Sns } from './sns.ts'
import type { SnsMessage } from './sns-message.ts'

export interface IngressOptions extends Omit<IngressSettings, 'token'>, Pick<SenderOptions, 'tokens' | 'withoutToken'> {
  /** How many waits and subscriptions it matched; rejects when the store is away. */
  publish(event: RouseEvent): Promise<number>
  once: Once
  /** Hears what became of each request: `accepted`, or the code of a problem. */
  count?(result: string): void
  /** Asks Amazon SNS; default the platform's. */
  fetch?: typeof fetch
  clock: Clock
  ids: IdSource
  log: IngressLog
}

const NOWHERE: Problem = {
  code: 'not_found',
  detail: 'events are POSTed to /events, or to /events/ and the name of a mapping in EVENTS_MAPPINGS',
}
const LIMITED: Problem = {
  code: 'request.rate_limited',
  detail: 'more than EVENTS_LIMIT allows; try again, or raise it',
}

/** What is sent back as it came is no page. */
const ECHO = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' }

interface MappedPost {
  incoming: Incoming
  text: string
  sender: Sender
  defaults: EventDefaults
}

/** Webhooks in: finds out who has sent a request, reads its events and raises each of them once. */
export class Ingress {
  readonly #options: IngressOptions
  readonly #check: SenderCheck
  readonly #limit: RateLimit
  readonly #sns: Sns
  readonly #raiser: Raiser

  constructor(options: IngressOptions) {
    const { topics, limit, clock, fetch: ask = (input, init) => fetch(input, init) } = options
    this.#options = options
    this.#check = senderCheck(options)
    this.#limit = new RateLimit(limit, clock)
    this.#sns = new Sns({ topics, fetch: ask, clock })
    this.#raiser = new Raiser(options)
  }

  /**
   * Answers `POST /events` and `POST /events/<mapping>`, and who asks whether he may; trouble is a problem (RFC 9457).
   * @param address of who asks, where that is known: the limit counts by it too
   */
  async receive(request: Request, address = ''): Promise<Response> {
    const { count } = this.#options
    const answer = await this.#received(request, address)
    count?.(answer.ok ? 'accepted' : answer.problem.code)
    return answer.ok ? answer.value : problemResponse(answer.problem, this.#headersOf(answer.problem))
  }

  async #received(request: Request, address: string): Promise<Result<Response>> {
    const { mappings, bodyLimit } = this.#options
    const [isOurs, name] = /^\/events(?:\/([^/]*))?$/.exec(new URL(request.url).pathname) ?? []
    const mapping = name === undefined ? undefined : mappings.get(name)
    if (isOurs === undefined || (name !== undefined && !mapping)) return { ok: false, problem: NOWHERE }
    if (request.method === 'OPTIONS') return this.#granted(request.headers.get('webhook-request-origin'))
    if (request.method !== 'POST') return { ok: false, problem: NOWHERE }
    const incoming = incomingOf(request, bodyLimit)
    return this.#isOfSns(incoming) ? this.#notified(incoming, mapping) : this.#posted(incoming, mapping, address)
  }

  /**
   * Senders of CloudEvents that ask first whether they may send here (HTTP webhooks for CloudEvents 4): anybody may who then shows who it is.
   * It is no answer to what browsers ask.
   */
  #granted(origin: string | null): Result<Response> {
    const { limit } = this.#options
    if (origin === null) return { ok: false, problem: NOWHERE }
    const perMinute = limit ? String(Math.max(1, Math.floor((limit.count / limit.perMs) * 60_000))) : '*'
    const headers = { allow: 'POST', 'webhook-allowed-origin': origin, 'webhook-allowed-rate': perMinute }
    return { ok: true, value: new Response(null, { status: 200, headers }) }
  }

  async #posted(incoming: Incoming, mapping: Mapping | undefined, address: string): Promise<Result<Response>> {
    const sender = await (mapping?.check ?? this.#check)(incoming, this.#options.clock.now())
    if (!sender.ok) return sender
    const { name, messageId } = sender.value
    if (!this.#limit.take(`${name} ${address}`)) return { ok: false, problem: LIMITED }
    const key = idempotencyKey(incoming.header('idempotency-key'))
    if (!key.ok) return key
    const body = await incoming.body()
    if (!body.ok) return body
    const { text } = body.value
    const defaults = this.#defaults(messageId ?? key.value)
    if (mapping) return this.#mapped(mapping, { incoming, text, sender: sender.value, defaults })
    const posted = eventsOf(incoming, text, defaults)
    return posted.ok ? this.#raised(posted.value, name) : posted
  }

  async #mapped(mapping: Mapping, { incoming, text, sender, defaults }: MappedPost): Promise<Result<Response>> {
    const body = mappedBody(incoming, text, !sender.isUnknown)
    if (!body.ok) return body
    const challenge = mapping.challenge(body.value, incoming)
    if (challenge !== undefined) return { ok: true, value: new Response(challenge, { headers: ECHO }) }
    const posted = mapping.events(body.value, incoming, defaults)
    return posted.ok ? this.#raised(posted.value, sender.name, mapping) : posted
  }

  /** The header may get lost on the way; plain text is nobody else's. */
  #isOfSns({ header, contentType }: Incoming): boolean {
    if (header('x-amz-sns-message-type') !== undefined) return true
    return this.#options.topics.length > 0 && contentType === 'text/plain'
  }

  async #notified(incoming: Incoming, mapping: Mapping | undefined): Promise<Result<Response>> {
    const body = await incoming.body()
    if (!body.ok) return body
    const read = await this.#sns.read(body.value.text)
    if (!read.ok) return read
    const message = read.value
    if (!this.#limit.take(message.TopicArn)) return { ok: false, problem: LIMITED }
    if (message.Type !== 'Notification') return this.#confirmed(message)
    const json = parsedJson(message.Message)
    if (json === undefined) return invalid('Message: expected JSON')
    const defaults = this.#defaults(message.MessageId)
    const posted = mapping ? mapping.events(json, incoming, defaults) : eventOfJson(json, defaults)
    return posted.ok ? this.#raised(posted.value, message.TopicArn, mapping) : posted
  }

  async #confirmed(message: SnsMessage): Promise<Result<Response>> {
    const { log } = this.#options
    const { Type, TopicArn: topic } = message
    if (Type === 'UnsubscribeConfirmation') {
      log.warn('a topic of Amazon SNS sends here no more', { topic })
      return { ok: true, value: new Response(null, { status: 204 }) }
    }
    const confirmed = await this.#sns.confirm(message)
    if (!confirmed.ok) return confirmed
    log.info('a topic of Amazon SNS is subscribed', { topic })
    return { ok: true, value: new Response(null, { status: 204 }) }
  }

  /** What a mapping's conditions leave out is fine, and nothing. */
  async #raised(posted: Posted, sender: string, mapping?: Mapping): Promise<Result<Response>> {
    if (mapping && posted.events.length === 0) return { ok: true, value: new Response(null, { status: 204 }) }
    const raised = await this.#raiser.raise(posted.events, sender)
    if (!raised.ok) return raised
    const body = posted.isList ? { events: raised.value } : raised.value[0]
    return { ok: true, value: Response.json(body, { status: 202 }) }
  }

  #defaults(requestId: string | undefined): EventDefaults {
    const { clock, ids } = this.#options
    return { now: clock.now(), requestId, newId: () => ids.next('event') }
  }

  #headersOf(problem: Problem): Record<string, string> {
    if (problem.code === 'request.rate_limited') return { 'retry-after': String(this.#retrySeconds) }
    if (problem.code === 'request.unauthorized') return { 'www-authenticate': 'Bearer' }
    return PROBLEMS[problem.code].retry ? { 'retry-after': '1' } : {}
  }

  /** As long as it takes until one more is allowed, when nobody else takes it. */
  get #retrySeconds(): number {
    const { limit } = this.#options
    return limit ? Math.max(1, Math.ceil(limit.perMs / limit.count / 1000)) : 1
  }
}
