import type { Clock, IdSource } from '../contract/clock.ts'
import { platformClock, platformIds } from '../contract/platform.ts'
import { problemResponse } from '../contract/problem-response.ts'
import { type Fault, Reader, SettingsError } from '../contract/settings.ts'
import { type ReadFile, secretSetting } from '../contract/settings-values.ts'
import { checkedSettings, settingsOf } from '../sdk/store-settings.ts'
import { createUpstashStore } from '../store/redis/rest.ts'
import type { Store } from '../store/store.ts'
import { Ingress } from './ingress.ts'
import type { IngressLog } from './log.ts'
import { type IngressSettings, ingressSettings } from './settings.ts'
import { StoredRepeats } from './stored-repeats.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export interface IngressAppOptions {
  /** Read at once; default what comes with the first request, as Workers and the entries of Rouse hand it over. */
  env?: Environment
  /** Reads what `EVENTS_MAPPINGS` names by a path; absent: it holds the JSON itself. */
  readFile?: ReadFile
  /** Asks Amazon SNS; default the platform's. */
  fetch?: typeof fetch
  /** Default lines of JSON on the console. */
  log?: IngressLog
  /** Default the platform's. */
  clock?: Clock
  ids?: IdSource
}

export interface IngressApp {
  fetch(request: Request, env?: unknown): Promise<Response>
  /** It says itself who may post: whatever serves it need not ask for `WEBHOOK_SECRET`. */
  readonly checksSenders: true
}

/** Milliseconds that the store may take for each step: three of them have to fit into what a sender waits. */
const STORE_MS = 1500

/**
 * Webhooks in at the edge: raises events in the gateways' Redis over its REST API. Settings that come with the first request and cannot be
 * used are told in the log, and nobody is let in.
 * @throws SettingsError with every mistake in `env`, when that is given
 */
export function ingressApp(options: IngressAppOptions = {}): IngressApp {
  let receive = options.env && receiverOf(open(options.env, options))
  return {
    checksSenders: true,
    async fetch(request, env) {
      receive ??= opened((env ?? {}) as Environment, options)
      return receive(request)
    },
  }
}

type Receive = (request: Request) => Promise<Response>

function receiverOf(ingress: Ingress): Receive {
  return (request) => ingress.receive(request)
}

function opened(env: Environment, options: IngressAppOptions): Receive {
  try {
    return receiverOf(open(env, options))
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    const { log = consoleLog } = options
    log.warn('settings cannot be used', { error: error.message })
    const settings = [...new Set(error.faults.map(({ setting }) => setting))].join(', ')
    const detail = `this function takes nothing before its settings are right: ${settings}; its log says more`
    return async () => problemResponse({ code: 'request.unauthorized', detail })
  }
}

function open(given: Environment, options: IngressAppOptions): Ingress {
  const { readFile, log = consoleLog, clock = platformClock, ids = platformIds } = options
  const env = textsOf(given)
  const read = new Reader(env)
  const { token, ...settings } = ingressSettings(read, read.value('WEBHOOK_SECRET', secretSetting), readFile)
  const store = storeOf(env, read.faults, { clock, ids })
  if (read.faults.length === 0) read.faults.push(...strangerFaults({ token, ...settings }))
  if (!store || read.faults.length > 0) throw new SettingsError(read.faults)
  const onTrouble = (what: string, error: unknown) => log.warn(what, { error: String(error) })
  return new Ingress({
    ...settings,
    tokens: token === undefined ? [] : [{ setting: 'EVENTS_TOKEN', token }],
    withoutToken: 'nobody',
    publish: (event) => store.publish([event]),
    once: new StoredRepeats({ store, clock, onTrouble }),
    ...(options.fetch ? { fetch: options.fetch } : {}),
    clock,
    ids,
    log,
  })
}

function storeOf(env: Environment, faults: Fault[], parts: { clock: Clock; ids: IdSource }): Store | undefined {
  const setting = 'UPSTASH_REDIS_REST_URL'
  const settings = settingsOf(env)
  if (!settings) {
    const message = `${setting}: expected the REST API of the gateways' Redis, since events are raised there; got nothing. Set it and UPSTASH_REDIS_REST_TOKEN`
    faults.push({ setting, message })
    return undefined
  }
  try {
    return createUpstashStore({ ...checkedSettings(settings), ...parts, deadlineMs: STORE_MS })
  } catch (error) {
    faults.push({ setting, message: (error as Error).message })
    return undefined
  }
}

/** Anybody can reach this function: each way in needs something that a stranger does not have. */
function strangerFaults({ secret, token, topics, mappings }: IngressSettings): Fault[] {
  if (secret !== undefined || token !== undefined) return []
  const remedy = 'Make one with: echo whsec_$(openssl rand -base64 32), or set EVENTS_TOKEN'
  const open = [...mappings.values()].find(({ check }) => check === undefined)
  if (open) {
    const message = `EVENTS_SECRET: expected a secret, since the mapping ${open.name} has no auth and anybody can reach this function; got nothing. ${remedy}, or give the mapping an auth`
    return [{ setting: 'EVENTS_SECRET', message }]
  }
  if (topics.length > 0 || mappings.size > 0) return []
  const message = `EVENTS_SECRET: expected a secret, since anybody can reach this function; got nothing. ${remedy}, or SNS_TOPICS`
  return [{ setting: 'EVENTS_SECRET', message }]
}

/** On Workers there are other things than texts, too. */
function textsOf(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => typeof value === 'string'))
}

const consoleLog: IngressLog = {
  info: (message, fields) => console.log(JSON.stringify({ level: 'info', message, ...shown(fields) })),
  warn: (message, fields) => console.warn(JSON.stringify({ level: 'warn', message, ...shown(fields) })),
}

function shown(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value instanceof Error ? String(value) : value]),
  )
}
