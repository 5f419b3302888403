import type { JsonSchema } from '../../../functions/contract/published/json.ts'
import { nameOf } from '../../../functions/contract/published/json.ts'
import { PUBLISHED } from './judge.ts'

/** What strings are drawn from: each is right somewhere, and wrong elsewhere. */
const TEXTS = [
  ...['', 'x', 'desk', 'late-fork', 'team.a:late', '-', 'é', 'a b', 'a"b', 'a\r\nb', 'a\nb', 'a\0b', 'x\n', '\n', ' '],
  ...['sip:bob@example.com', 'SIPS:b@h;p=1', 'tel:+15551234', 'sip:', 'sip:a b', 'sip:<a>', 'mailto:a@b', 'Sip:ü@h'],
  ...['30s', '500ms', '0s', '1.5h', '24h', '24.000h', '24.001h', '1440m', '1441m', '86400s', '86401s', '86400000ms'],
  ...[
    '86400001ms',
    '086399.999s',
    '000000030s',
    '0000000030s',
    '30',
    '1.2345s',
    '-1s',
    '.5s',
    '5.s',
    '25h',
    '9h',
    '1 s',
  ],
  ...[
    'contact.registered',
    'contact.*',
    'call.*',
    'call.ended',
    'dtmf',
    'dtmf.*',
    'pickup',
    'a..b',
    '.*',
    'gateway.up',
  ],
  ...['X-A', 'Via', 'V', 'CSEQ', 'from', 'Max-Forwards', 'Viaduct', 'L', 'X:A', 'Record-Route', 'Content-Type'],
  ...['aor', 'contact', 'digit', 'callId', 'instance', 'gateway', 'fromEvent', 'constructor', 'toString'],
  ...[65, 129, 257, 1025, 2049, 4097, 8193, 65_537].flatMap((n) => ['x'.repeat(n - 1), 'x'.repeat(n)]),
  `sip:${'x'.repeat(2044)}`,
  `sip:${'x'.repeat(2045)}`,
]
const NUMBERS = [0, 1, -1, 0.5, 100, 101, 299, 300, 302, 305, 399, 400, 699, 700, 486.5, 86_400_000, 86_400_001, 1e12]
const ANYTHING = [null, true, false, [], {}, ['x'], { x: '' }, { fromEvent: 'contact' }, { fromEvent: 7 }]

/**
 * Answers by the published schema, drawn at random. About one value in forty is drawn from anything instead, so that many answers are
 * wrong in one place.
 */
export class RandomAnswers {
  readonly #random: () => number
  readonly #candidates = new Map<string, string[]>()

  constructor(random: () => number) {
    this.#random = random
  }

  next(): unknown {
    const schema = { ...PUBLISHED.$defs.Answer } as JsonSchema
    const actions = { ...schema.properties!.actions, maxItems: 3 }
    return JSON.parse(JSON.stringify(this.#object({ ...schema, properties: { ...schema.properties, actions } })))
  }

  #value(schema: JsonSchema | false): unknown {
    if (schema === false || this.#chance(0.025)) return this.#pick([...TEXTS, ...NUMBERS, ...ANYTHING])
    if (schema.$ref) return this.#value(PUBLISHED.$defs[nameOf(schema.$ref)] as JsonSchema)
    const options = schema.oneOf ?? schema.anyOf
    if (options && !schema.properties) return this.#value(this.#pick(options))
    if (schema.const !== undefined) return schema.const
    if (schema.enum) return this.#pick(schema.enum as unknown[])
    switch (schema.type) {
      case 'string':
        return this.#text(schema)
      case 'number':
      case 'integer':
        return this.#number(schema)
      case 'boolean':
        return this.#chance(0.5)
      case 'array':
        return this.#array(schema)
      case 'object':
        return this.#object(schema)
      default:
        return this.#pick(ANYTHING)
    }
  }

  #object({ properties = {}, required = [], propertyNames, additionalProperties }: JsonSchema): unknown {
    const made: Record<string, unknown> = {}
    for (const [name, field] of Object.entries(properties)) {
      const odds = (field as unknown) === false ? 0.01 : 0.3
      if (required.includes(name) ? !this.#chance(0.01) : this.#chance(odds)) made[name] = this.#value(field)
    }
    for (let n = additionalProperties ? this.#below(3) : 0; n > 0; n--) {
      made[String(this.#value(propertyNames ?? { type: 'string' }))] = this.#value(additionalProperties as JsonSchema)
    }
    if (this.#chance(0.02)) made[this.#pick(TEXTS)] = this.#pick(ANYTHING)
    return made
  }

  #array({ items, prefixItems, minItems = 0, maxItems = 3 }: JsonSchema): unknown[] {
    if (prefixItems) return prefixItems.map((item) => this.#value(item))
    const length = this.#chance(0.02) ? this.#pick([0, 17, 33, 65]) : this.#below(Math.min(3, Number(maxItems))) + 1
    return Array.from({ length: Math.max(length, Number(minItems) && length) }, () => this.#value(items as JsonSchema))
  }

  #text(schema: JsonSchema): string {
    const key = JSON.stringify(schema)
    const known = this.#candidates.get(key) ?? TEXTS.filter((text) => fits(schema, text))
    this.#candidates.set(key, known)
    return this.#pick(known)
  }

  #number({ minimum = 0, maximum = 1e12, type }: JsonSchema): number {
    const fitting = NUMBERS.filter(
      (n) => n >= Number(minimum) && n <= Number(maximum) && (type === 'number' || n % 1 === 0),
    )
    return this.#pick(fitting)
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#below(from.length)]!
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n)
  }

  #chance(odds: number): boolean {
    return this.#random() < odds
  }
}

function fits({ pattern, allOf = [], minLength = 0, maxLength = 1e6, not }: JsonSchema, text: string): boolean {
  const patterns = [pattern, ...allOf.map((each) => each.pattern)].filter((each) => each !== undefined)
  const refused = (not as JsonSchema | undefined)?.pattern
  return (
    text.length >= Number(minLength) &&
    text.length <= Number(maxLength) &&
    patterns.every((each) => new RegExp(each, 'u').test(text)) &&
    !(refused && new RegExp(refused, 'u').test(text))
  )
}
