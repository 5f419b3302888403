import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Action } from '../functions/contract/actions.ts'
import type { Result } from '../functions/contract/problem.ts'
import { type Fault, Reader } from '../functions/contract/settings.ts'
import { type IngressSettings, ingressSettings } from '../functions/ingress/settings.ts'
import { readTextFile } from '../functions/push/read-file.ts'
import { type PushSettings, providerNames, pushSettings } from '../functions/push/settings.ts'
import { type AmqpSettings, amqpSettings } from './amqp/settings.ts'
import { type CgratesSettings, cgratesSettings } from './cgrates/settings.ts'
import { KNOWN_SETTINGS, notices } from './config-known.ts'
import { type ResilienceConfig, resilienceConfig, resilienceFaults } from './config-resilience.ts'
import { type TlsFiles, tlsConfig, tlsFaults } from './config-tls.ts'
import { unsignedFaults } from './config-unsigned.ts'
import {
  actionsSetting,
  addressSetting,
  domainsSetting,
  functionsSetting,
  hostPort,
  httpUrl,
  isLoopback,
  isWildcard,
  type ListenSetting,
  listenSetting,
  nameSetting,
  originsSetting,
  rateSetting,
  redisSetting,
  secondsSetting,
  secretSetting,
  sessionSetting,
  tokenSetting,
  type UnsignedSetting,
  unsignedSetting,
} from './config-values.ts'
import { type FreeswitchSettings, freeswitchSettings } from './freeswitch/settings.ts'
import { type HepSettings, hepSettings } from './hep/settings.ts'
import { type MediaSettings, mediaSettings } from './media/settings.ts'
import { LOG_LEVELS, type LogLevel } from './observe/log.ts'
import { type OutboxSettings, outboxSettings } from './outbox/settings.ts'
import type { PushLimits } from './push/pusher.ts'

export type { Fault, ListenSetting }

/** Every setting of this version, read once from the environment. Each field names its variable, default and range. */
export interface Config {
  sip: {
    /** `SIP_LISTEN`, default `udp://127.0.0.1:5060,tcp://127.0.0.1:5060`; at least one, none twice; port 0 takes a free one. */
    listen: ListenSetting[]
    /** `SIP_ADVERTISE`, `host[:port]` put in Via, Record-Route and Path; default the listener's own address and port; a TLS or WebSocket listener's port is its own. */
    advertise: { host: string; port: number | undefined } | undefined
    /** `SIP_TLS_CERT`, `SIP_TLS_KEY`, `SIP_TLS_CA`; default none: no TLS. */
    tls: TlsFiles | undefined
    /** `SIP_WS_ORIGINS`, web pages that may connect over a WebSocket; default `*`, all: undefined. */
    origins: string[] | undefined
    /** `SIP_DOMAINS`, default the listeners' and the advertised hosts; lower case, IPv6 without brackets. */
    domains: string[]
    /** `SESSION_EXPIRES`, how long sessions are asked to last without a refresh; `90s` to `24h`, default none: nobody is asked. In seconds. */
    sessionSeconds: number | undefined
  }
  /** `HTTP_LISTEN`, default `127.0.0.1:8080`; port 0 takes a free one. */
  http: { host: string; port: number }
  /** `API_TOKEN`, bearer token of the HTTP API; default none, required when `http` listens beyond loopback. */
  apiToken: string | undefined
  functions: {
    /** `FUNCTIONS`, default the examples: a module that runs in this process, or an http(s) URL. */
    source: { kind: 'module'; path: string } | { kind: 'url'; url: string }
    /** `FUNCTIONS_FALLBACK_URL`, default none. */
    fallbackUrl: string | undefined
    /** `FUNCTIONS_FALLBACK_ACTIONS`, JSON array of actions (1 to 64), default none. */
    fallbackActions: Action[] | undefined
    /** `WEBHOOK_SECRET`, `whsec_…`, two separated by a space while rotating; required when functions or pushes go to a URL. */
    webhookSecret: string | undefined
    /** `FUNCTIONS_UNSIGNED`, what needs no signature; default nothing. */
    unsigned: UnsignedSetting
  }
  /** Budgets, limits and the circuit breaker of functions. */
  resilience: ResilienceConfig
  /** Who may post events, and what their bodies mean. */
  events: IngressSettings
  /** `REDIS_URL`, default none: the store in memory. */
  redisUrl: string | undefined
  /** `REDIS_PREFIX`, before every key in Redis; default `rouse`; as `GATEWAY_ID`. Functions that use the store need the same. */
  redisPrefix: string
  gateway: {
    /** `GATEWAY_ID`, default the host's name; up to 64 of letters, digits, `.`, `_`, `-`. */
    id: string
    /** `GATEWAY_POOL`, default `default`; as `id`. */
    pool: string
    /** `GATEWAY_ADDRESS`, IP at which other gateways reach the listeners; default each listener's own. */
    address: string | undefined
    /**
     * `DRAIN_SECONDS`, how long a stop waits for calls that nobody else can go on with, and for other gateways to see it; 0 to 3600, default
     * 20. In milliseconds.
     */
    drainMs: number
  }
  push: {
    /** `PUSH_URL`, push function; default none: in process. */
    url: string | undefined
    /** `PUSH_WEBHOOK_URL`, where the `webhook` provider POSTs what no other provider is for; default none. */
    webhookUrl: string | undefined
    /** What pushes go through in process; nothing and no webhook: `console`. */
    providers: PushSettings
    /** `PUSH_LIMIT_AOR` and `PUSH_LIMIT_CALLER`, pushes to one AOR, and by one caller, at this gateway; default `10/1m` and `30/1m`. */
    limits: PushLimits
  }
  /** Where standing subscriptions may deliver. */
  outbox: OutboxSettings
  /** Other systems, each off until its setting is there. */
  integrations: {
    amqp: AmqpSettings | undefined
    freeswitch: FreeswitchSettings | undefined
    hep: HepSettings | undefined
    rtpengine: MediaSettings | undefined
    cgrates: CgratesSettings | undefined
  }
  /** `LOG_LEVEL`, default `info`; `debug`, `info`, `warn`, `error` or `silent`. */
  logLevel: LogLevel
  /** Sentences worth saying at the start: settings this version does not use, misspelt names. */
  notices: string[]
}

export type Environment = Readonly<Record<string, string | undefined>>

/** Compiled, in the published package. */
const DEFAULT_FUNCTIONS = fileURLToPath(
  new URL(`../functions/examples/app.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url),
)

/**
 * Reads the environment; an empty value counts as absent.
 * @param host the default of `GATEWAY_ID`
 * @returns the settings, or every mistake at once
 */
export function readConfig(env: Environment, host: string = hostname()): Result<Config, Fault[]> {
  const read = new Reader(env)
  const config = settings(read, host)
  config.notices = notices(env)
  const faults = [
    ...read.faults,
    ...togetherFaults(config),
    ...unsignedFaults(config, read.faults),
    ...resilienceFaults(config.resilience),
    ...tlsFaults(read, config.sip.listen),
  ]
  return faults.length === 0 ? { ok: true, value: config } : { ok: false, problem: faults }
}

function settings(read: Reader, host: string): Config {
  const listen = read.value('SIP_LISTEN', listenSetting, 'udp://127.0.0.1:5060,tcp://127.0.0.1:5060') ?? []
  const advertise = read.value('SIP_ADVERTISE', hostPort)
  const id = read.value('GATEWAY_ID', nameSetting, host) ?? ''
  const webhookSecret = read.value('WEBHOOK_SECRET', secretSetting)
  return {
    sip: {
      listen,
      advertise,
      tls: tlsConfig(read),
      origins: read.value('SIP_WS_ORIGINS', originsSetting, '*')?.origins,
      domains: read.value('SIP_DOMAINS', domainsSetting) ?? ownHosts(listen, advertise?.host),
      sessionSeconds: read.value('SESSION_EXPIRES', sessionSetting),
    },
    http: read.value('HTTP_LISTEN', httpListen, '127.0.0.1:8080') ?? { host: '127.0.0.1', port: 8080 },
    apiToken: read.value('API_TOKEN', tokenSetting),
    functions: {
      source: read.value('FUNCTIONS', functionsSetting, DEFAULT_FUNCTIONS) ?? {
        kind: 'module',
        path: DEFAULT_FUNCTIONS,
      },
      fallbackUrl: read.value('FUNCTIONS_FALLBACK_URL', httpUrl),
      fallbackActions: read.value('FUNCTIONS_FALLBACK_ACTIONS', actionsSetting),
      webhookSecret,
      unsigned: read.value('FUNCTIONS_UNSIGNED', unsignedSetting) ?? { loopback: false, answers: false },
    },
    resilience: resilienceConfig(read),
    events: ingressSettings(read, webhookSecret, readTextFile),
    redisUrl: read.value('REDIS_URL', redisSetting),
    redisPrefix: read.value('REDIS_PREFIX', nameSetting, 'rouse') ?? '',
    gateway: {
      id,
      pool: read.value('GATEWAY_POOL', nameSetting, 'default') ?? '',
      address: read.value('GATEWAY_ADDRESS', addressSetting),
      drainMs: read.value('DRAIN_SECONDS', secondsSetting, '20') ?? 0,
    },
    push: {
      url: read.value('PUSH_URL', httpUrl),
      webhookUrl: read.value('PUSH_WEBHOOK_URL', httpUrl),
      providers: pushSettings(read, readTextFile),
      limits: {
        perAor: read.value('PUSH_LIMIT_AOR', rateSetting, '10/1m')?.rate,
        perCaller: read.value('PUSH_LIMIT_CALLER', rateSetting, '30/1m')?.rate,
      },
    },
    outbox: outboxSettings(read),
    integrations: {
      amqp: amqpSettings(read, readTextFile),
      freeswitch: freeswitchSettings(read),
      hep: hepSettings(read, id),
      rtpengine: mediaSettings(read),
      cgrates: cgratesSettings(read),
    },
    logLevel: read.value('LOG_LEVEL', logLevel, 'info') ?? 'info',
    notices: [],
  }
}

/** What no setting is wrong in alone. */
function togetherFaults({ sip, http, apiToken, redisUrl, gateway }: Config): Fault[] {
  const faults: Fault[] = []
  if (apiToken === undefined && !isLoopback(http.host)) {
    const message = `API_TOKEN: expected a token, since HTTP_LISTEN is ${http.host}, which others can reach; got nothing. Set API_TOKEN to a long random word, or HTTP_LISTEN to 127.0.0.1:${http.port}`
    faults.push({ setting: 'API_TOKEN', message })
  }
  const wildcard = sip.listen.find(({ host }) => isWildcard(host))
  if (wildcard && !sip.advertise) {
    const message = `SIP_ADVERTISE: expected the address phones reach this router at, since SIP_LISTEN is ${wildcard.host} (every address), which cannot be put in a Via; got nothing. Set it, for example to 192.0.2.1 or sip.example.com:5060`
    faults.push({ setting: 'SIP_ADVERTISE', message })
  }
  if (wildcard && redisUrl !== undefined && gateway.address === undefined) {
    const message = `GATEWAY_ADDRESS: expected the IP address at which other gateways reach this one, since REDIS_URL is set and SIP_LISTEN is ${wildcard.host} (every address); got nothing. Set it to this machine's own address, for example 10.0.0.1`
    faults.push({ setting: 'GATEWAY_ADDRESS', message })
  }
  if (redisUrl !== undefined && !sip.listen.some(({ transport }) => transport === 'udp' || transport === 'tcp')) {
    const message = `SIP_LISTEN: expected a udp:// or tcp:// listener too, since REDIS_URL is set and other gateways reach this one by it; add for example tcp://10.0.0.1:5060`
    faults.push({ setting: 'SIP_LISTEN', message })
  }
  return faults
}

function ownHosts(listen: ListenSetting[], advertised: string | undefined): string[] {
  const hosts = listen.map(({ host }) => host).filter((host) => !isWildcard(host))
  return [...new Set(advertised ? [...hosts, advertised] : hosts)]
}

function httpListen(text: string) {
  const read = hostPort(text)
  if (!read.ok) return read
  return { ok: true as const, value: { host: read.value.host, port: read.value.port ?? 8080 } }
}

function logLevel(text: string) {
  const level = LOG_LEVELS.find((name) => name === text.toLowerCase())
  if (level) return { ok: true as const, value: level }
  return { ok: false as const, expected: `one of ${LOG_LEVELS.join(', ')}`, remedy: 'info is the usual one' }
}

/** The `pn-provider` values that pushes can go out to; `'*'` where a push function, the webhook or the console takes any. */
export function supportedProviders({ push }: Pick<Config, 'push'>): '*' | readonly string[] {
  const names = providerNames(push.providers)
  return push.url !== undefined || push.webhookUrl !== undefined || names.length === 0 ? '*' : names
}

export { KNOWN_SETTINGS }
