import { SecretValue } from 'aws-cdk-lib'
import { type IConnectable, type IVpc, Peer, Port, SecurityGroup, SubnetType } from 'aws-cdk-lib/aws-ec2'
import { CfnParameterGroup, CfnReplicationGroup, CfnSubnetGroup } from 'aws-cdk-lib/aws-elasticache'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'

const PORT = 6379

/**
 * Valkey on ElastiCache: a primary and a replica in another zone. Replication is asynchronous, so a failover may lose the last moments;
 * gateways notice that Redis has lost something and write their suspended calls again. MemoryDB would lose nothing, for more than twice
 * the price and some milliseconds a write.
 */
export class Redis extends Construct {
  /** A secret that is the REDIS_URL. */
  readonly url: Secret
  readonly groupId: string
  readonly #securityGroup: SecurityGroup

  constructor(scope: Construct, id: string, { vpc }: { vpc: IVpc }) {
    super(scope, id)
    this.#securityGroup = new SecurityGroup(this, 'SecurityGroup', { vpc, allowAllOutbound: false })
    const subnets = new CfnSubnetGroup(this, 'Subnets', {
      description: 'Redis of Rouse',
      subnetIds: vpc.selectSubnets({ subnetType: SubnetType.PRIVATE_ISOLATED }).subnetIds,
    })
    // Everything has a lifetime, so the default (volatile-lru) would make room by forgetting calls.
    const parameters = new CfnParameterGroup(this, 'Parameters', {
      cacheParameterGroupFamily: 'valkey8',
      description: 'Redis of Rouse',
      properties: { 'maxmemory-policy': 'noeviction' },
    })
    const token = new Secret(this, 'Token', {
      description: 'Password of Redis',
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
    })
    const group = new CfnReplicationGroup(this, 'Group', {
      replicationGroupDescription: 'Suspended calls, registrations and subscriptions of Rouse',
      engine: 'valkey',
      engineVersion: '8.0',
      cacheNodeType: 'cache.t4g.small',
      numCacheClusters: 2,
      automaticFailoverEnabled: true,
      multiAzEnabled: true,
      port: PORT,
      atRestEncryptionEnabled: true,
      transitEncryptionEnabled: true,
      transitEncryptionMode: 'required',
      authToken: token.secretValue.unsafeUnwrap(),
      cacheSubnetGroupName: subnets.ref,
      cacheParameterGroupName: parameters.ref,
      securityGroupIds: [this.#securityGroup.securityGroupId],
      snapshotRetentionLimit: 0,
    })
    this.groupId = group.ref
    const address = `${group.attrPrimaryEndPointAddress}:${PORT}`
    this.url = new Secret(this, 'Url', {
      description: 'REDIS_URL of the gateways',
      secretStringValue: SecretValue.unsafePlainText(`rediss://:${token.secretValue.unsafeUnwrap()}@${address}`),
    })
  }

  allowFrom(client: IConnectable): void {
    for (const { securityGroupId } of client.connections.securityGroups)
      this.#securityGroup.addIngressRule(Peer.securityGroupId(securityGroupId), Port.tcp(PORT), 'Gateways')
  }
}
