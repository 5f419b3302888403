import { Duration, SecretValue } from 'aws-cdk-lib'
import { Architecture, Code, FunctionUrlAuthType, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'

export interface FunctionsProps {
  /** Directory with an `index.mjs` that exports `handler`. */
  bundle: string
  webhookSecret: ISecret
  upstashSecretArn: string | undefined
}

/** The routes. Anybody can reach their URL; they answer only what is signed with the gateways' secret. */
export class Functions extends Construct {
  readonly url: string
  readonly function: LambdaFunction

  constructor(scope: Construct, id: string, { bundle, webhookSecret, upstashSecretArn }: FunctionsProps) {
    super(scope, id)
    this.function = new LambdaFunction(this, 'Function', {
      description: 'Routes of Rouse',
      code: Code.fromAsset(bundle),
      handler: 'index.handler',
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: 512,
      // More than a gateway waits for any answer.
      timeout: Duration.seconds(3),
      environment: {
        NODE_OPTIONS: '--enable-source-maps',
        WEBHOOK_SECRET: webhookSecret.secretValue.unsafeUnwrap(),
        ...(upstashSecretArn ? upstash(upstashSecretArn) : {}),
      },
      logGroup: new LogGroup(this, 'Log', { retention: RetentionDays.TWO_WEEKS }),
    })
    this.url = this.function.addFunctionUrl({ authType: FunctionUrlAuthType.NONE }).url
  }
}

function upstash(arn: string): Record<string, string> {
  const field = (jsonField: string) => SecretValue.secretsManager(arn, { jsonField }).unsafeUnwrap()
  return { UPSTASH_REDIS_REST_URL: field('url'), UPSTASH_REDIS_REST_TOKEN: field('token') }
}
