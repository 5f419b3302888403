import type { Rate } from '../contract/rate.ts'
import type { Read, Reader } from '../contract/settings.ts'
import { type ReadFile, rateSetting, secretSetting, tokenSetting } from '../contract/settings-values.ts'
import { type Mappings, readMappings } from './mappings.ts'

/** Who may post events, and what their bodies mean; the same in the gateway and at the edge. */
export interface IngressSettings {
  /** `EVENTS_SECRET`, `whsec_…`, two separated by a space while rotating: what events are signed with; default `WEBHOOK_SECRET`. */
  secret: string | undefined
  /** `EVENTS_TOKEN`, a bearer token that opens `POST /events` and nothing else; default none. */
  token: string | undefined
  /** `EVENTS_BODY_LIMIT`, octets of a request, 1,024 to 1,048,576; default 65,536. */
  bodyLimit: number
  /** `EVENTS_LIMIT`, requests of one credential (in the gateway: from one address); default `1000/1s`; undefined: no limit. */
  limit: Rate | undefined
  /** `EVENTS_MAPPINGS`, JSON or the path of a file with it: what third parties' bodies mean; default none. */
  mappings: Mappings
  /** `SNS_TOPICS`, ARNs with a comma between: topics whose notifications are taken; default none. */
  topics: readonly string[]
}

/** Every setting that is read here. */
export const INGRESS_SETTINGS = [
  'EVENTS_SECRET',
  'EVENTS_TOKEN',
  'EVENTS_BODY_LIMIT',
  'EVENTS_LIMIT',
  'EVENTS_MAPPINGS',
  'SNS_TOPICS',
] as const

export const DEFAULT_BODY_LIMIT = 65_536
const DEFAULT_LIMIT = '1000/1s'

/**
 * Mistakes go to the reader, each with its setting and remedy.
 * @param webhookSecret `WEBHOOK_SECRET`, read already
 * @param readFile      the text of a file, undefined when it cannot be read; absent where there are no files
 */
export function ingressSettings(read: Reader, webhookSecret: string | undefined, readFile?: ReadFile): IngressSettings {
  return {
    secret: read.value('EVENTS_SECRET', secretSetting) ?? webhookSecret,
    token: read.value('EVENTS_TOKEN', tokenSetting),
    bodyLimit: read.value('EVENTS_BODY_LIMIT', bodyLimitSetting, String(DEFAULT_BODY_LIMIT)) ?? DEFAULT_BODY_LIMIT,
    limit: read.value('EVENTS_LIMIT', rateSetting, DEFAULT_LIMIT)?.rate,
    mappings: mappingsSetting(read, readFile),
    topics: read.value('SNS_TOPICS', topicsSetting) ?? [],
  }
}

function bodyLimitSetting(text: string): Read<number> {
  const octets = /^\d{4,7}$/.test(text) ? Number(text) : 0
  if (octets >= 1024 && octets <= 1_048_576) return { ok: true, value: octets }
  return { ok: false, expected: 'octets from 1024 to 1048576', remedy: 'write for example 262144' }
}

function topicsSetting(text: string): Read<string[]> {
  const topics = text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
  const wrong = topics.find(
    (topic) => !/^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?$/.test(topic),
  )
  if (topics.length > 0 && wrong === undefined) return { ok: true, value: topics }
  const remedy = 'write for example arn:aws:sns:eu-west-1:123456789012:payments'
  return { ok: false, expected: 'ARNs of topics with a comma between', ...(wrong ? { got: wrong } : {}), remedy }
}

const MAPPINGS_REMEDY = 'see functions/ingress/README.md for what a mapping may say'

/** JSON begins with a brace; what does not is the path of a file. */
function mappingsSetting(read: Reader, readFile: ReadFile | undefined): Mappings {
  const setting = 'EVENTS_MAPPINGS'
  const json = read.value(setting, (text): Read<{ value: unknown }> => {
    const isPath = !/^\s*[{[]/.test(text)
    const found = isPath ? readFile?.(text) : text
    try {
      return { ok: true, value: { value: JSON.parse(found ?? '') } }
    } catch {
      const expected = found === undefined ? `JSON${readFile ? ', or the path of a file with it' : ''}` : 'JSON'
      return { ok: false, expected, ...(isPath ? { got: text } : { secret: true }), remedy: MAPPINGS_REMEDY }
    }
  })
  if (json === undefined) return new Map()
  const mappings = readMappings(json.value, (name) => read.value(name, (text) => ({ ok: true, value: text })))
  if (mappings.ok) return mappings.value
  for (const sentence of mappings.problem)
    read.faults.push({ setting, message: `${setting}: ${sentence}; ${MAPPINGS_REMEDY}` })
  return new Map()
}
