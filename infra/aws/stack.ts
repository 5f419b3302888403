import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib'
import { SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import type { Construct } from 'constructs'
import { Alarms } from './alarms.ts'
import { Functions } from './functions.ts'
import { Gateways } from './gateways.ts'
import { PlatformApplications } from './platform-applications.ts'
import { Redis } from './redis.ts'
import { Secrets } from './secrets.ts'
import type { Settings } from './settings.ts'

export interface RouseStackProps extends StackProps, Settings {
  /** Directories with an `index.mjs` that exports `handler`. */
  bundles: { functions: string; platformApplication: string }
}

/** Gateways on Fargate behind a network load balancer, their functions on Lambda, their Redis on ElastiCache. */
export class RouseStack extends Stack {
  constructor(scope: Construct, id: string, props: RouseStackProps) {
    super(scope, id, { description: 'Rouse, an event-driven SIP router', ...props })
    // Gateways have public addresses of their own, without a NAT that would change their port: other SIP servers answer them there.
    const vpc = new Vpc(this, 'Network', {
      maxAzs: 2,
      natGateways: 0,
      subnetConfiguration: [
        { name: 'public', subnetType: SubnetType.PUBLIC, cidrMask: 22 },
        { name: 'redis', subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 26 },
      ],
    })
    const secrets = new Secrets(this, 'Secrets')
    const redis = props.redisUrlSecretArn ? undefined : new Redis(this, 'Redis', { vpc })
    const redisUrl = redis?.url ?? Secret.fromSecretCompleteArn(this, 'RedisUrl', props.redisUrlSecretArn ?? '')
    const functions = new Functions(this, 'Functions', {
      bundle: props.bundles.functions,
      webhookSecret: secrets.webhook,
      upstashSecretArn: props.upstashSecretArn,
    })
    const applications = new PlatformApplications(this, 'PlatformApplications', {
      bundle: props.bundles.platformApplication,
      applications: props.platformApplications,
    })
    const gateways = new Gateways(this, 'Gateways', {
      vpc,
      secrets,
      redisUrl,
      functionsUrl: functions.url,
      applications,
      settings: props,
    })
    redis?.allowFrom(gateways.service)
    new Alarms(this, 'Alarms', { gateways, functions, redis, email: props.alarmEmail })

    new CfnOutput(this, 'SipAddress', { value: gateways.advertise, description: 'Server and outbound proxy of phones' })
    new CfnOutput(this, 'ApiTokenSecret', {
      value: secrets.apiToken.secretArn,
      description: 'Bearer token of the HTTP API',
    })
    if (applications.arns.length > 0)
      new CfnOutput(this, 'SnsPlatformApplications', {
        value: applications.asSetting,
        description: 'SNS_PLATFORM_APPLICATIONS',
      })
  }
}
