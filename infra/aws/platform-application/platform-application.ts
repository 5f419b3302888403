/** CloudFormation has no SNS platform application; this is one, as a custom resource. Its credentials stay in their secret. */

type Attributes = Record<string, string>

export interface PlatformApplicationParts {
  sns: {
    createPlatformApplication(input: { Name: string; Platform: string; Attributes: Attributes }): Promise<{
      PlatformApplicationArn?: string | undefined
    }>
    setPlatformApplicationAttributes(input: {
      PlatformApplicationArn: string
      Attributes: Attributes
    }): Promise<unknown>
    deletePlatformApplication(input: { PlatformApplicationArn: string }): Promise<unknown>
  }
  /** The text of a secret. */
  secret(arn: string): Promise<string>
}

/** What the provider framework of CDK hands over. */
export interface ResourceEvent {
  RequestType: 'Create' | 'Update' | 'Delete'
  PhysicalResourceId?: string
  ResourceProperties: { Name: string; Platform: string; SecretArn: string }
  OldResourceProperties?: { Name: string; Platform: string }
}

/**
 * Creates, changes and deletes. Another name or platform makes another application, after which CloudFormation deletes the old one.
 * @returns a handler that rejects when SNS refuses, or the secret is none; its ARN is the physical id
 */
export function createPlatformApplicationHandler({ sns, secret }: PlatformApplicationParts) {
  return async (event: ResourceEvent): Promise<{ PhysicalResourceId: string }> => {
    const { RequestType, PhysicalResourceId: arn = '', ResourceProperties: properties } = event
    if (RequestType === 'Delete') {
      // A creation that failed has no application, and an id that CloudFormation made up.
      if (arn.startsWith('arn:')) await sns.deletePlatformApplication({ PlatformApplicationArn: arn })
      return { PhysicalResourceId: arn }
    }
    const { Name, Platform, SecretArn } = properties
    const attributes = readAttributes(SecretArn, await secret(SecretArn))
    const old = event.OldResourceProperties
    if (RequestType === 'Update' && old?.Name === Name && old.Platform === Platform) {
      await sns.setPlatformApplicationAttributes({ PlatformApplicationArn: arn, Attributes: attributes })
      return { PhysicalResourceId: arn }
    }
    const created = await sns.createPlatformApplication({ Name, Platform, Attributes: attributes })
    return { PhysicalResourceId: created.PlatformApplicationArn! }
  }
}

function readAttributes(arn: string, text: string): Attributes {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {}
  const isObject = typeof value === 'object' && value !== null
  const attributes = isObject ? Object.entries(value as object) : []
  if (
    !isObject ||
    !('PlatformCredential' in (value as object)) ||
    attributes.some(([, each]) => typeof each !== 'string')
  )
    throw new Error(`the secret ${arn}: expected a JSON object of strings with PlatformCredential, got something else`)
  return Object.fromEntries(attributes)
}
