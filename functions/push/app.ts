import type { Clock } from '../contract/clock.ts'
import { platformClock } from '../contract/platform.ts'
import { Reader, SettingsError } from '../contract/settings.ts'
import type { ReadFile } from '../contract/settings-values.ts'
import { createTrust } from '../contract/trust.ts'
import type { EndpointCache } from './endpoint-cache.ts'
import { type PushPlatform, platformFaults, providersFrom } from './from-settings.ts'
import { servePush } from './http.ts'
import type { PushLog } from './provider.ts'
import { createSend } from './send.ts'
import { pushSettings } from './settings.ts'
import { urlSetting } from './settings-values.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export interface PushAppOptions {
  /** Read at once; default what comes with the first request, as Workers and the entries of Rouse hand it over. */
  env?: Environment
  /** Default what fetch and WebCrypto can do; on Node and Lambda `nodePlatform()` of `rouse/push/node`. */
  platform?: PushPlatform
  /** Reads what settings name by a path; absent: they hold the thing itself. */
  readFile?: ReadFile
  /** Where SNS endpoints are remembered; default in this process. */
  endpoints?: EndpointCache
  /** Default lines of JSON on the console. */
  log?: PushLog
  /** Default the platform's. */
  clock?: Clock
}

export interface PushApp {
  fetch(request: Request, env?: unknown): Promise<Response>
}

/** The gateway waits 5 s for a push function: it is to hear what was the matter. */
const TIMEOUT_MS = 4000

/**
 * The push function by its settings: `POST /push`, signed by `WEBHOOK_SECRET`. Pushes of a pn-provider that has none go to
 * `PUSH_WEBHOOK_URL`, without which they are `unsupported`.
 * @throws TypeError with every mistake in `env`, when that is given
 */
export function pushApp(options: PushAppOptions = {}): PushApp {
  const { env, clock = platformClock } = options
  const trust = createTrust({})
  const make = (given: Environment) => {
    const env = textsOf(given)
    const send = senderFor(env, { ...options, clock })
    return servePush({ send, trust: (url) => trust(url, env), now: () => clock.now() })
  }
  let app = env && make(env)
  return {
    async fetch(request, given) {
      app ??= make((given ?? {}) as Environment)
      return app.fetch(request)
    },
  }
}

function senderFor(env: Environment, options: PushAppOptions & { clock: Clock }) {
  const { platform = {}, endpoints, log = consoleLog, clock, readFile } = options
  const read = new Reader(env)
  const settings = pushSettings(read, readFile)
  const webhookUrl = read.value('PUSH_WEBHOOK_URL', urlSetting('write for example https://push.example.com/hook'))
  read.faults.push(...platformFaults(settings, platform))
  if (read.faults.length > 0) throw new SettingsError(read.faults)
  const providers = providersFrom(settings, { platform, endpoints, clock, timeoutMs: TIMEOUT_MS })
  const secret = env.WEBHOOK_SECRET?.trim() || undefined
  return createSend({ providers, webhookUrl, secret, timeoutMs: TIMEOUT_MS, log, clock })
}

/** On Workers there are other things than texts, too. */
function textsOf(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => typeof value === 'string'))
}

const consoleLog: PushLog = {
  info: (message, fields) => console.log(JSON.stringify({ level: 'info', message, ...fields })),
  warn: (message, fields) => console.warn(JSON.stringify({ level: 'warn', message, ...fields })),
}
