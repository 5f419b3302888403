import { attributeFault, type Fault, invalid } from './sns-message.ts'
import { messageAttributesOf } from './sns-query.ts'

/** Topics of Amazon SNS: what `Publish` says of a message to one, and what their subscribers get. */

export interface TopicMessage {
  topic: string
  text: string
  attributes: Record<string, string>
  /** of a topic in order: within it the order is kept */
  group?: string
}

const MOST_BYTES = 262_144
/** For so long a topic in order knows a message again. Milliseconds. */
const DEDUPLICATION_MS = 300_000
const MAX_ID = 128

export class Topics {
  /** what subscribers get, in order */
  readonly published: TopicMessage[] = []
  readonly #arns: ReadonlySet<string>
  readonly #now: () => number
  /** when a message of that id was taken, by topic and id */
  readonly #taken = new Map<string, number>()

  constructor(arns: readonly string[], now: () => number) {
    this.#arns = new Set(arns)
    this.#now = now
  }

  /** @returns why it is refused; undefined when it is taken, also when a topic in order has had it before */
  publish(form: URLSearchParams): Fault | undefined {
    const topic = form.get('TopicArn')!
    if (!this.#arns.has(topic)) return { status: 404, code: 'NotFound', message: 'Topic does not exist' }
    const text = form.get('Message') ?? ''
    const given = messageAttributesOf(form)
    const fault = textFault(text) ?? attributeFault(given) ?? orderFault(topic, form)
    if (fault) return fault
    const id = form.get('MessageDeduplicationId')
    if (id !== null && this.#isRepeat(`${topic} ${id}`)) return undefined
    const group = form.get('MessageGroupId')
    const attributes = Object.fromEntries(given.map(({ name, value }) => [name, value]))
    this.published.push({ topic, text, attributes, ...(group !== null && { group }) })
    return undefined
  }

  #isRepeat(key: string): boolean {
    const takenAt = this.#taken.get(key)
    if (takenAt !== undefined && this.#now() - takenAt < DEDUPLICATION_MS) return true
    this.#taken.set(key, this.#now())
    return false
  }
}

function textFault(text: string): Fault | undefined {
  if (text === '') return invalid('Empty message')
  return Buffer.byteLength(text) > MOST_BYTES ? invalid('Message too long') : undefined
}

function orderFault(topic: string, form: URLSearchParams): Fault | undefined {
  const [group, id] = [form.get('MessageGroupId'), form.get('MessageDeduplicationId')]
  if (!topic.endsWith('.fifo'))
    return id === null ? undefined : invalid('MessageDeduplicationId Reason: it is not valid for this topic type')
  if (group === null) return invalid('The MessageGroupId parameter is required for FIFO topics')
  if (id === null)
    return invalid(
      'The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly',
    )
  for (const [name, value] of Object.entries({ MessageGroupId: group, MessageDeduplicationId: id }))
    if (!isName(value)) return invalid(`${name} Reason: up to ${MAX_ID} letters, digits and punctuation`)
  return undefined
}

function isName(text: string): boolean {
  return text.length <= MAX_ID && /^[!-~]+$/.test(text)
}
