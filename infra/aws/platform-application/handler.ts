import { SecretsManager } from '@aws-sdk/client-secrets-manager'
import { SNS } from '@aws-sdk/client-sns'
import { createPlatformApplicationHandler } from './platform-application.ts'

/** What CloudFormation calls for a platform application. */

const sns = new SNS()
const secrets = new SecretsManager()

export const handler = createPlatformApplicationHandler({
  sns,
  secret: async (arn) => (await secrets.getSecretValue({ SecretId: arn })).SecretString ?? '',
})
