import type { PushResult } from '../contract/push.ts'
import { type Deadline, withinDeadline } from './deadline.ts'
import { type EndpointCache, endpointsInMemory } from './endpoint-cache.ts'
import { tokenInvalid } from './outcome.ts'
import { digest, toBase64Url } from './payload.ts'
import type { PushProvider } from './provider.ts'
import type { SnsApplication } from './sns-application.ts'
import { awsSns, type SnsClient } from './sns-client.ts'
import { existingEndpoint, isDisabled, isGone, resultOf } from './sns-fault.ts'
import { planSnsPush, type SnsPush } from './sns-message.ts'

export interface SnsOptions extends Deadline {
  /** Those of one pn-provider: one of Google, or one or two of Apple (notifications, VoIP). */
  applications: readonly SnsApplication[]
  /** Default in this process. */
  endpoints?: EndpointCache
  /** Default the AWS SDK's. */
  client?: (region: string) => Promise<SnsClient>
}

/** Amazon SNS: each token becomes an endpoint of a platform application once, and is published to by its ARN. */
export function snsProvider(options: SnsOptions): PushProvider {
  const { applications, endpoints = endpointsInMemory(), client = awsSns } = options
  const clients = new Map<string, Promise<SnsClient>>()
  return {
    async send(message) {
      const plan = await planSnsPush(message, applications)
      if ('result' in plan) return plan.result
      return withinDeadline(options, 'SNS', async (abortSignal) => {
        const sns = await clientOf(plan.push.application.region)
        return new Delivery(sns, endpoints, plan.push, { abortSignal }).deliver()
      })
    },
  }

  function clientOf(region: string): Promise<SnsClient> {
    const known = clients.get(region) ?? client(region)
    clients.set(region, known)
    return known
  }
}

/** One push on its way. */
class Delivery {
  readonly #sns: SnsClient
  readonly #endpoints: EndpointCache
  readonly #push: SnsPush
  readonly #options: { abortSignal: AbortSignal }

  constructor(sns: SnsClient, endpoints: EndpointCache, push: SnsPush, options: { abortSignal: AbortSignal }) {
    this.#sns = sns
    this.#endpoints = endpoints
    this.#push = push
    this.#options = options
  }

  async deliver(): Promise<PushResult> {
    try {
      const key = await this.#key()
      const known = await this.#endpoints.get(key).catch(() => undefined)
      const endpoint = known ?? (await this.#endpoint(key))
      return await this.#publish(endpoint).catch(async (error) => {
        if (isDisabled(error)) return this.#enabled(endpoint)
        // Somebody has deleted it since.
        if (known !== undefined && isGone(error)) return this.#publish(await this.#endpoint(key))
        throw error
      })
    } catch (error) {
      return isDisabled(error) ? tokenInvalid(DISABLED) : resultOf(error)
    }
  }

  async #key(): Promise<string> {
    const { application, token } = this.#push
    return toBase64Url(await digest(`${application.arn} ${token}`))
  }

  async #endpoint(key: string): Promise<string> {
    const arn = await this.#created()
    // What is not remembered is made again, which gives the same.
    await this.#endpoints.set(key, arn).catch(() => {})
    return arn
  }

  async #created(): Promise<string> {
    const { application, token: Token } = this.#push
    try {
      const input = { PlatformApplicationArn: application.arn, Token }
      const { EndpointArn } = await this.#sns.createPlatformEndpoint(input, this.#options)
      return EndpointArn!
    } catch (error) {
      const EndpointArn = existingEndpoint(error)
      if (EndpointArn === undefined) throw error
      await this.#enable(EndpointArn)
      return EndpointArn
    }
  }

  #enable(EndpointArn: string): Promise<unknown> {
    const Attributes = { Token: this.#push.token, Enabled: 'true' }
    return this.#sns.setEndpointAttributes({ EndpointArn, Attributes }, this.#options)
  }

  async #publish(TargetArn: string): Promise<PushResult> {
    const { message: Message, attributes: MessageAttributes } = this.#push
    const input = { TargetArn, Message, MessageStructure: 'json' as const, MessageAttributes }
    await this.#sns.publish(input, this.#options)
    return { outcome: 'accepted' }
  }

  /** SNS disables an endpoint when the platform says that its token is dead. If that was another token than ours, ours has its chance. */
  async #enabled(EndpointArn: string): Promise<PushResult> {
    const { Attributes } = await this.#sns.getEndpointAttributes({ EndpointArn }, this.#options)
    if (Attributes?.Token === this.#push.token) return tokenInvalid(DISABLED)
    await this.#enable(EndpointArn)
    return this.#publish(EndpointArn)
  }
}

const DISABLED = 'SNS has disabled the endpoint: the platform does not know the token any more'
