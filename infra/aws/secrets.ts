import { SecretValue } from 'aws-cdk-lib'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'

/** Made when they are deployed, and known to nobody before. */
export class Secrets extends Construct {
  readonly apiToken: Secret
  /** `WEBHOOK_SECRET`: gateways sign with it, functions verify. */
  readonly webhook: Secret

  constructor(scope: Construct, id: string) {
    super(scope, id)
    this.apiToken = new Secret(this, 'ApiToken', {
      description: 'API_TOKEN of the gateways',
      generateSecretString: { passwordLength: 48, excludePunctuation: true },
    })
    // 44 letters and digits are the base64 of 33 octets.
    const key = new Secret(this, 'WebhookKey', {
      description: 'The random part of WEBHOOK_SECRET',
      generateSecretString: { passwordLength: 44, excludePunctuation: true },
    })
    this.webhook = new Secret(this, 'Webhook', {
      description: 'WEBHOOK_SECRET of the gateways and functions',
      secretStringValue: SecretValue.unsafePlainText(`whsec_${key.secretValue.unsafeUnwrap()}`),
    })
  }
}
