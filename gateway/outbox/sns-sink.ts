import { bounded } from '../../functions/contract/bounded.ts'
import type { Clock } from '../../functions/contract/clock.ts'
import type { DeliveryOutcome, OutgoingDelivery, Sink } from './sink.ts'

/** Amazon SNS, as far as a topic needs it. */
export interface TopicClient {
  publish(
    input: {
      TopicArn: string
      Message: string
      MessageAttributes: Record<string, { DataType: 'String'; StringValue: string }>
      MessageGroupId?: string
      MessageDeduplicationId?: string
    },
    options: { abortSignal: AbortSignal },
  ): Promise<unknown>
}

export interface SnsSinkParts {
  /** Of a region, by whatever credentials the process has. */
  client(region: string): Promise<TopicClient>
  clock: Clock
}

const TIMEOUT_MS = 10_000

/** Publishes the CloudEvent to a topic; the type of the event is a message attribute, by which subscriptions of the topic may filter. */
export function snsSink({ client, clock }: SnsSinkParts): Sink {
  const clients = new Map<string, Promise<TopicClient>>()
  const clientOf = (region: string) => {
    const known = clients.get(region) ?? client(region)
    clients.set(region, known)
    return known
  }
  return {
    kind: 'sns',
    async deliver({ id, type, body, target }: OutgoingDelivery): Promise<DeliveryOutcome> {
      const { topicArn } = target.sns!
      // Topics in order want a group, within which they keep it, and an id for what they have had.
      const order = topicArn.endsWith('.fifo')
        ? { MessageGroupId: groupOf(body), MessageDeduplicationId: id.slice(0, 128) }
        : {}
      const attributes = { type: { DataType: 'String' as const, StringValue: type } }
      try {
        await bounded(clock, TIMEOUT_MS, async (abortSignal) => {
          const sns = await clientOf(topicArn.split(':')[3]!)
          const input = { TopicArn: topicArn, Message: body, MessageAttributes: attributes, ...order }
          return sns.publish(input, { abortSignal })
        })
        return { outcome: 'delivered' }
      } catch (error) {
        const { name, message } = error as Error
        return { outcome: 'failed', error: `${name}: ${message}` }
      }
    },
  }
}

/** Letters, digits and punctuation of ASCII, up to 128. */
function groupOf(body: string): string {
  const { partitionkey = 'all' } = JSON.parse(body) as { partitionkey?: string }
  return partitionkey.replaceAll(/[^!-~]/g, '_').slice(0, 128)
}
