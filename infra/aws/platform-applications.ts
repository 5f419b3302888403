import { Aws, CustomResource, Duration } from 'aws-cdk-lib'
import { type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { Architecture, Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda'
import { Provider } from 'aws-cdk-lib/custom-resources'
import { Construct } from 'constructs'
import type { PlatformApplication } from './settings.ts'

export interface PlatformApplicationsProps {
  /** Directory with the `index.mjs` of platform-application/. */
  bundle: string
  applications: readonly PlatformApplication[]
}

/** The SNS platform applications that push goes through. */
export class PlatformApplications extends Construct {
  readonly arns: { provider: string; arn: string }[] = []

  constructor(scope: Construct, id: string, { bundle, applications }: PlatformApplicationsProps) {
    super(scope, id)
    if (applications.length === 0) return
    const onEventHandler = new LambdaFunction(this, 'Handler', {
      description: 'Makes SNS platform applications',
      code: Code.fromAsset(bundle),
      handler: 'index.handler',
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      timeout: Duration.minutes(1),
    })
    const app = `arn:${Aws.PARTITION}:sns:${Aws.REGION}:${Aws.ACCOUNT_ID}:app/*`
    const actions = ['Create', 'Delete'].map((verb) => `sns:${verb}PlatformApplication`)
    const statement = { actions: [...actions, 'sns:SetPlatformApplicationAttributes'], resources: [app] }
    onEventHandler.addToRolePolicy(new PolicyStatement(statement))
    const secretArns = applications.map(({ secretArn }) => secretArn)
    onEventHandler.addToRolePolicy(
      new PolicyStatement({ actions: ['secretsmanager:GetSecretValue'], resources: secretArns }),
    )
    const { serviceToken } = new Provider(this, 'Provider', { onEventHandler })
    for (const { provider, platform, secretArn } of applications) {
      const Name = `${Aws.STACK_NAME}-${provider.replaceAll('.', '-')}`
      const properties = { Name, Platform: platform, SecretArn: secretArn }
      const resource = new CustomResource(this, provider, {
        serviceToken,
        resourceType: 'Custom::SnsPlatformApplication',
        properties,
      })
      this.arns.push({ provider, arn: resource.ref })
    }
  }

  /** To make endpoints of the phones' tokens, and to publish to them. */
  allowPushes(to: IGrantable): void {
    if (this.arns.length === 0) return
    const endpoints = `arn:${Aws.PARTITION}:sns:${Aws.REGION}:${Aws.ACCOUNT_ID}:endpoint/*`
    const actions = [
      'sns:CreatePlatformEndpoint',
      'sns:GetEndpointAttributes',
      'sns:SetEndpointAttributes',
      'sns:Publish',
    ]
    const resources = [...this.arns.map(({ arn }) => arn), endpoints]
    to.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({ actions, resources }))
  }

  /** `fcm=arn:…,apns=arn:…` */
  get asSetting(): string {
    return this.arns.map(({ provider, arn }) => `${provider}=${arn}`).join(',')
  }
}
