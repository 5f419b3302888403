import type { SnsPush } from './sns-message.ts'

interface Options {
  abortSignal: AbortSignal
}

/** What of the AWS SDK's `SNS` is used; it rejects with an error that has a `name` and `$metadata`. */
export interface SnsClient {
  createPlatformEndpoint(
    input: { PlatformApplicationArn: string; Token: string },
    options: Options,
  ): Promise<{ EndpointArn?: string | undefined }>
  getEndpointAttributes(
    input: { EndpointArn: string },
    options: Options,
  ): Promise<{ Attributes?: Record<string, string> | undefined }>
  setEndpointAttributes(
    input: { EndpointArn: string; Attributes: Record<string, string> },
    options: Options,
  ): Promise<unknown>
  publish(
    input: {
      TargetArn: string
      Message: string
      MessageStructure: 'json'
      MessageAttributes: SnsPush['attributes']
    },
    options: Options,
  ): Promise<unknown>
  destroy(): void
}

/**
 * The AWS SDK's, by its own settings: `AWS_ENDPOINT_URL_SNS`, credentials of the environment, the instance or the function. Loaded when it
 * is first used. Not on Workers: there it lacks DOMParser.
 */
export async function awsSns(region: string): Promise<SnsClient> {
  const { SNS } = await import('@aws-sdk/client-sns')
  // Who sends the push knows best whether it is still worth trying.
  return new SNS({ region, maxAttempts: 1 })
}
