import type { Result } from '../../functions/contract/problem.ts'

/** Where pushes to one platform go: an SNS platform application. */
export interface PlatformApplication {
  /** `pn-provider` of the phones: `fcm`, `apns`, … */
  provider: string
  /** As SNS calls it: `GCM`, `APNS`, `APNS_SANDBOX`, `APNS_VOIP`, `APNS_VOIP_SANDBOX`. */
  platform: string
  /** ARN of a secret: a JSON object with the attributes of the application, `PlatformCredential` at least. */
  secretArn: string
}

/** What is deployed. Each field is a context value of that name. */
export interface Settings {
  /** Of the stack, default `Rouse`. */
  name: string
  /** Domains the gateways are responsible for, comma separated. */
  domains: string
  /** `host[:port]` at which phones reach the gateways; default the load balancer's name. */
  advertise: string | undefined
  /** ARN of an ACM certificate: the HTTP API is then open on port 443; absent: from within the network only. */
  certificateArn: string | undefined
  /** ARN of a secret, JSON with `cert` and `key` in PEM: SIP over TLS is then open on port 5061; absent: there is none. */
  sipTlsSecretArn: string | undefined
  /** ARN of a secret that is a REDIS_URL of yours, Upstash's for example; absent: an ElastiCache of its own. */
  redisUrlSecretArn: string | undefined
  /** ARN of a secret, JSON with `url` and `token`: the functions reach that Redis by it, over Upstash's REST API. */
  upstashSecretArn: string | undefined
  /** Directory with an `index.mjs` that exports `handler`; absent: functions/ of this repository is bundled. */
  functionsBundle: string | undefined
  /** Fewest and most gateways; default 2 and 10. */
  gateways: { min: number; max: number }
  /** Where alarms are sent. */
  alarmEmail: string | undefined
  /** JSON array, default none. */
  platformApplications: PlatformApplication[]
}

type Context = (name: string) => unknown

const ARN = /^arn:aws[a-z-]*:[a-z]+:/

/** @returns the settings, or a sentence for every mistake */
export function readSettings(context: Context): Result<Settings, string[]> {
  const problem: string[] = []
  const text = (name: string) => {
    const value = context(name)
    return typeof value === 'string' && value.trim() ? value.trim() : undefined
  }
  const arn = (name: string) => {
    const value = text(name)
    if (value !== undefined && !ARN.test(value)) problem.push(`${name}: expected an ARN, got "${value}"`)
    return value
  }
  const domains = text('domains')
  if (!domains) problem.push('domains: expected your domains, got nothing; add -c domains=example.com')
  const settings: Settings = {
    name: text('name') ?? 'Rouse',
    domains: domains ?? '',
    advertise: text('advertise'),
    certificateArn: arn('certificateArn'),
    sipTlsSecretArn: arn('sipTlsSecretArn'),
    redisUrlSecretArn: arn('redisUrlSecretArn'),
    upstashSecretArn: arn('upstashSecretArn'),
    functionsBundle: text('functionsBundle'),
    gateways: gateways(text('gateways') ?? '2-10', problem),
    alarmEmail: text('alarmEmail'),
    platformApplications: platformApplications(context('platformApplications'), problem),
  }
  if (settings.upstashSecretArn && !settings.redisUrlSecretArn)
    problem.push('upstashSecretArn: expected redisUrlSecretArn with it, since functions and gateways share one Redis')
  return problem.length === 0 ? { ok: true, value: settings } : { ok: false, problem }
}

function gateways(text: string, problem: string[]): { min: number; max: number } {
  const [, min = '0', max = '0'] = /^(\d{1,3})-(\d{1,3})$/.exec(text) ?? []
  if (Number(min) < 1 || Number(max) < Number(min))
    problem.push(`gateways: expected the fewest and the most, got "${text}"; write for example 2-10`)
  return { min: Number(min), max: Number(max) }
}

function platformApplications(value: unknown, problem: string[]): PlatformApplication[] {
  const wrong = (why: string) => {
    const example = '[{"provider":"fcm","platform":"GCM","secretArn":"arn:aws:secretsmanager:…"}]'
    problem.push(`platformApplications: ${why}; write for example ${example}`)
    return []
  }
  const list = typeof value === 'string' ? parsed(value) : (value ?? [])
  if (!Array.isArray(list)) return wrong('expected a JSON array')
  for (const [index, { provider, platform, secretArn }] of list.entries()) {
    if (!/^[a-z][a-z0-9.-]*$/.test(provider)) return wrong(`[${index}].provider: expected a pn-provider`)
    if (!/^(GCM|APNS(_VOIP)?(_SANDBOX)?)$/.test(platform)) return wrong(`[${index}].platform: expected GCM or APNS…`)
    if (!ARN.test(secretArn)) return wrong(`[${index}].secretArn: expected an ARN`)
  }
  return list
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
