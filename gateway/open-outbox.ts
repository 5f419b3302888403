import { randomBytes } from 'node:crypto'
import { isPublic, publicFetch } from '../functions/push/public-fetch.ts'
import type { Config } from './config.ts'
import type { IntegrationParts } from './integration/integration.ts'
import { Outbox } from './outbox/outbox.ts'
import type { OwnSubscription, Sink } from './outbox/sink.ts'
import { snsSink } from './outbox/sns-sink.ts'
import { webhookSink } from './outbox/webhook-sink.ts'

/** What other integrations have for it. */
export interface OutboxNeeds {
  sinks: readonly Sink[]
  own: readonly OwnSubscription[]
}

/** Standing subscriptions, with every kind of target that there are settings for. */
export function openOutbox({ outbox, gateway }: Config, parts: IntegrationParts, needs: OutboxNeeds): Outbox {
  const { networks } = outbox
  const [anywhere, inside] = [
    publicFetch({ isAllowed: (address) => isPublic(address) || networks.has(address) }),
    publicFetch({ isAllowed: (address) => networks.has(address) }),
  ]
  // What goes unencrypted goes no further than the operator's own networks.
  const ask: typeof fetch = (input, init) =>
    (String(input).startsWith('https:') ? anywhere : inside).fetch(input as string, init)
  const sinks = [
    webhookSink({ fetch: ask, clock: parts.clock }),
    snsSink({ client: topicClient, clock: parts.clock }),
    ...needs.sinks,
  ]
  const newSecret = () => `whsec_${randomBytes(32).toString('base64')}`
  return new Outbox({
    ...parts,
    sinks,
    own: needs.own,
    newSecret,
    source: `/gateways/${encodeURIComponent(gateway.id)}`,
  })
}

/** The AWS SDK's, by its own settings; loaded when a topic is first published to. */
async function topicClient(region: string) {
  const { SNS } = await import('@aws-sdk/client-sns')
  return new SNS({ region, maxAttempts: 1 })
}
