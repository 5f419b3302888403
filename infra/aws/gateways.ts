import { fileURLToPath } from 'node:url'
import { Duration } from 'aws-cdk-lib'
import { CfnEIP, type IVpc, Peer, Port, SecurityGroup, SubnetType } from 'aws-cdk-lib/aws-ec2'
import { Platform } from 'aws-cdk-lib/aws-ecr-assets'
import * as ecs from 'aws-cdk-lib/aws-ecs'
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import type { PlatformApplications } from './platform-applications.ts'
import type { Secrets } from './secrets.ts'
import type { Settings } from './settings.ts'

export interface GatewaysProps {
  vpc: IVpc
  secrets: Secrets
  redisUrl: ISecret
  functionsUrl: string
  applications: PlatformApplications
  settings: Pick<Settings, 'domains' | 'advertise' | 'certificateArn' | 'sipTlsSecretArn' | 'gateways'>
}

const SIP = 5060
const SIPS = 5061
const HTTP = 8080
const DRAIN_SECONDS = 20
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Gateways on Fargate. Their ids are the host names of their tasks, which do not come back: the calls of one that has gone are adopted by
 * the others, which answer on the same address.
 */
export class Gateways extends Construct {
  readonly service: ecs.FargateService
  readonly loadBalancer: elb.NetworkLoadBalancer
  readonly targets: elb.NetworkTargetGroup
  /** `SIP_ADVERTISE`. */
  readonly advertise: string

  constructor(scope: Construct, id: string, props: GatewaysProps) {
    super(scope, id)
    const { vpc, settings } = props
    this.loadBalancer = this.#createLoadBalancer(vpc)
    this.advertise = settings.advertise ?? `${this.loadBalancer.loadBalancerDnsName}:${SIP}`
    const { min, max } = settings.gateways
    this.service = new ecs.FargateService(this, 'Service', {
      cluster: new ecs.Cluster(this, 'Cluster', { vpc, containerInsightsV2: ecs.ContainerInsights.ENABLED }),
      taskDefinition: this.#createTask(props),
      desiredCount: min,
      assignPublicIp: true,
      vpcSubnets: { subnetType: SubnetType.PUBLIC },
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      healthCheckGracePeriod: Duration.seconds(60),
      circuitBreaker: { rollback: true },
    })
    this.#open(settings)
    this.targets = this.#listen(vpc, settings)
    const scaling = this.service.autoScaleTaskCount({ minCapacity: min, maxCapacity: max })
    // Whoever goes leaves its calls to the others: seldom.
    scaling.scaleOnCpuUtilization('Cpu', {
      targetUtilizationPercent: 50,
      scaleOutCooldown: Duration.minutes(1),
      scaleInCooldown: Duration.minutes(15),
    })
  }

  /** Addresses that stay, for carriers that want to know them. */
  #createLoadBalancer(vpc: IVpc): elb.NetworkLoadBalancer {
    const { subnets } = vpc.selectSubnets({ subnetType: SubnetType.PUBLIC })
    return new elb.NetworkLoadBalancer(this, 'LoadBalancer', {
      vpc,
      internetFacing: true,
      crossZoneEnabled: true,
      // Without one of its own its health checks would come from nobody that the gateways let in.
      securityGroups: [new SecurityGroup(this, 'LoadBalancerSecurityGroup', { vpc })],
      subnetMappings: subnets.map((subnet, index) => ({
        subnet,
        allocationId: new CfnEIP(this, `Address${index}`, { domain: 'vpc' }).attrAllocationId,
      })),
    })
  }

  #createTask({ secrets, redisUrl, functionsUrl, applications, settings }: GatewaysProps): ecs.FargateTaskDefinition {
    const task = new ecs.FargateTaskDefinition(this, 'Task', {
      cpu: 1024,
      memoryLimitMiB: 2048,
      runtimePlatform: {
        cpuArchitecture: ecs.CpuArchitecture.ARM64,
        operatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
      },
    })
    const { sipTlsSecretArn } = settings
    const tls = sipTlsSecretArn ? Secret.fromSecretCompleteArn(this, 'SipTls', sipTlsSecretArn) : undefined
    const container = task.addContainer('gateway', {
      image: ecs.ContainerImage.fromAsset(ROOT, { file: 'infra/docker/Dockerfile', platform: Platform.LINUX_ARM64 }),
      environment: {
        SIP_ADVERTISE: this.advertise,
        SIP_DOMAINS: settings.domains,
        FUNCTIONS: functionsUrl,
        DRAIN_SECONDS: String(DRAIN_SECONDS),
        ...(tls ? { SIP_LISTEN: `udp://0.0.0.0:${SIP},tcp://0.0.0.0:${SIP},tls://0.0.0.0:${SIPS}` } : {}),
        ...(applications.arns.length > 0 ? { SNS_PLATFORM_APPLICATIONS: applications.asSetting } : {}),
      },
      secrets: {
        API_TOKEN: ecs.Secret.fromSecretsManager(secrets.apiToken),
        WEBHOOK_SECRET: ecs.Secret.fromSecretsManager(secrets.webhook),
        REDIS_URL: ecs.Secret.fromSecretsManager(redisUrl),
        ...(tls && {
          SIP_TLS_CERT: ecs.Secret.fromSecretsManager(tls, 'cert'),
          SIP_TLS_KEY: ecs.Secret.fromSecretsManager(tls, 'key'),
        }),
      },
      portMappings: [
        { containerPort: SIP, protocol: ecs.Protocol.UDP },
        { containerPort: SIP, protocol: ecs.Protocol.TCP },
        { containerPort: HTTP, protocol: ecs.Protocol.TCP },
        ...(tls ? [{ containerPort: SIPS, protocol: ecs.Protocol.TCP }] : []),
      ],
      // That of the image is not looked at.
      healthCheck: {
        command: ['CMD', 'node', 'infra/docker/healthy.ts'],
        interval: Duration.seconds(10),
        timeout: Duration.seconds(3),
        startPeriod: Duration.seconds(30),
      },
      stopTimeout: Duration.seconds(DRAIN_SECONDS + 20),
      readonlyRootFilesystem: true,
      user: '1000:1000',
      logging: ecs.LogDrivers.awsLogs({ streamPrefix: 'gateway', logRetention: RetentionDays.TWO_WEEKS }),
    })
    applications.allowPushes(task.taskRole)
    // Many calls are many sockets.
    container.addUlimits({ name: ecs.UlimitName.NOFILE, softLimit: 65_536, hardLimit: 65_536 })
    return task
  }

  /** Phones, other SIP servers and other gateways send to the load balancer, or to the gateway that wrote to them. */
  #open({ certificateArn, sipTlsSecretArn }: GatewaysProps['settings']): void {
    for (const port of [Port.udp(SIP), Port.tcp(SIP), ...(sipTlsSecretArn ? [Port.tcp(SIPS)] : [])]) {
      this.service.connections.allowFrom(Peer.anyIpv4(), port, 'SIP')
      this.loadBalancer.connections.allowFrom(Peer.anyIpv4(), port, 'SIP')
    }
    this.service.connections.allowFrom(this.loadBalancer, Port.tcp(HTTP), 'Health checks, HTTP API')
    if (certificateArn) this.loadBalancer.connections.allowFrom(Peer.anyIpv4(), Port.tcp(443), 'HTTP API')
  }

  #listen(vpc: IVpc, { certificateArn, sipTlsSecretArn }: GatewaysProps['settings']): elb.NetworkTargetGroup {
    const common = {
      vpc,
      targetType: elb.TargetType.IP,
      deregistrationDelay: Duration.seconds(DRAIN_SECONDS),
      healthCheck: {
        protocol: elb.Protocol.HTTP,
        port: String(HTTP),
        // Without the store a gateway still routes; Redis would be away for all of them at once.
        path: '/readyz?exclude=store',
        interval: Duration.seconds(5),
        timeout: Duration.seconds(3),
        healthyThresholdCount: 2,
        unhealthyThresholdCount: 2,
      },
    }
    const sip = new elb.NetworkTargetGroup(this, 'Sip', {
      ...common,
      port: SIP,
      protocol: elb.Protocol.TCP_UDP,
      preserveClientIp: true,
      // A UDP flow would stay with a gateway that has gone for as long as the phone sends.
      connectionTermination: true,
      targets: [
        this.service.loadBalancerTarget({ containerName: 'gateway', containerPort: SIP, protocol: ecs.Protocol.TCP }),
      ],
    })
    // What comes from one source, a repeated INVITE above all, reaches one gateway.
    sip.setAttribute('stickiness.enabled', 'true')
    sip.setAttribute('stickiness.type', 'source_ip')
    this.loadBalancer.addListener('SipListener', {
      port: SIP,
      protocol: elb.Protocol.TCP_UDP,
      defaultTargetGroups: [sip],
    })
    // Encrypted as far as the gateway, which has to know that it is.
    if (sipTlsSecretArn) {
      const sips = new elb.NetworkTargetGroup(this, 'Sips', {
        ...common,
        port: SIPS,
        protocol: elb.Protocol.TCP,
        preserveClientIp: true,
        targets: [this.service.loadBalancerTarget({ containerName: 'gateway', containerPort: SIPS })],
      })
      this.loadBalancer.addListener('SipsListener', {
        port: SIPS,
        protocol: elb.Protocol.TCP,
        defaultTargetGroups: [sips],
      })
    }
    if (certificateArn) {
      const api = new elb.NetworkTargetGroup(this, 'Api', {
        ...common,
        port: HTTP,
        protocol: elb.Protocol.TCP,
        targets: [this.service.loadBalancerTarget({ containerName: 'gateway', containerPort: HTTP })],
      })
      this.loadBalancer.addListener('ApiListener', {
        port: 443,
        protocol: elb.Protocol.TLS,
        certificates: [elb.ListenerCertificate.fromArn(certificateArn)],
        sslPolicy: elb.SslPolicy.RECOMMENDED_TLS,
        defaultTargetGroups: [api],
      })
    }
    return sip
  }
}
