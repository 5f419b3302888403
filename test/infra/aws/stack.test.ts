import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { createSigner } from '../../../functions/contract/sign.ts'
import { readConfig } from '../../../gateway/config.ts'
import { readSettings } from '../../../infra/aws/settings.ts'
import type * as testing from '../../../infra/aws/testing.ts'
import { absentPackage } from '../../packages.ts'

const ROOM = fileURLToPath(new URL('../../../infra/aws', import.meta.url))
const pem = (name: string) => readFileSync(new URL(`../../support/tls/${name}.pem`, import.meta.url), 'utf8')
const SECRET = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:fcm-AbCdEf'

describe('the stack', { skip: absentPackage('infra/aws') }, () => {
  let directory: string
  let bundle: string
  let plain: testing.Template
  let whole: testing.Template
  let Match: typeof testing.Match
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'rouse-cdk-'))
    bundle = join(directory, 'bundle')
    mkdirSync(bundle)
    writeFileSync(join(bundle, 'index.mjs'), 'export const handler = () => {}')
    Match = (await import('../../../infra/aws/testing.ts')).Match
    plain = await template({ domains: 'example.com' })
    whole = await template({
      domains: 'example.com',
      advertise: 'sip.example.com:5060',
      certificateArn: 'arn:aws:acm:eu-west-1:123456789012:certificate/1',
      sipTlsSecretArn: SECRET,
      redisUrlSecretArn: SECRET,
      upstashSecretArn: SECRET,
      platformApplications: [
        { provider: 'fcm', platform: 'GCM', secretArn: SECRET },
        { provider: 'apns.voip', platform: 'APNS_VOIP', secretArn: SECRET },
      ],
    })
  })
  after(() => rmSync(directory, { recursive: true }))

  async function template(context: Record<string, unknown>): Promise<testing.Template> {
    const { App, Template } = await import('../../../infra/aws/testing.ts')
    const { RouseStack } = await import('../../../infra/aws/stack.ts')
    const settings = readSettings((name) => context[name])
    assert.ok(settings.ok)
    const bundles = { functions: bundle, platformApplication: bundle }
    const { context: flags } = JSON.parse(readFileSync(join(ROOM, 'cdk.json'), 'utf8'))
    const app = new App({ context: flags, outdir: mkdtempSync(join(directory, 'out-')) })
    return Template.fromStack(new RouseStack(app, 'Rouse', { ...settings.value, bundles }))
  }

  test('gateways get the settings that they take without a remark', () => {
    const [task] = Object.values(whole.findResources('AWS::ECS::TaskDefinition'))
    const { Environment, Secrets } = task!.Properties.ContainerDefinitions[0]
    // What AWS fills in.
    const filledIn: Record<string, string> = {
      FUNCTIONS: 'https://abc.lambda-url.eu-west-1.on.aws/',
      SNS_PLATFORM_APPLICATIONS:
        'fcm=arn:aws:sns:eu-west-1:123456789012:app/GCM/Rouse-fcm,apns.voip=arn:aws:sns:eu-west-1:123456789012:app/APNS_VOIP/Rouse-apns-voip',
    }
    const said = Environment.map(({ Name, Value }: { Name: string; Value: unknown }) => [
      Name,
      typeof Value === 'string' ? Value : filledIn[Name],
    ])
    assert.deepEqual(
      Secrets.map(({ Name }: { Name: string }) => Name),
      ['API_TOKEN', 'WEBHOOK_SECRET', 'REDIS_URL', 'SIP_TLS_CERT', 'SIP_TLS_KEY'],
    )
    const secrets = {
      API_TOKEN: 'abc',
      WEBHOOK_SECRET: `whsec_${'a'.repeat(44)}`,
      REDIS_URL: 'rediss://:abc@redis.example:6379',
      SIP_TLS_CERT: pem('sip-cert'),
      SIP_TLS_KEY: pem('sip-key'),
    }
    const image = {
      SIP_LISTEN: 'udp://0.0.0.0:5060,tcp://0.0.0.0:5060',
      HTTP_LISTEN: '0.0.0.0:8080',
      GATEWAY_ADDRESS: '10.0.0.9',
    }
    const config = readConfig({ ...image, ...Object.fromEntries(said), ...secrets })
    assert.ok(config.ok, JSON.stringify(config))
    assert.deepEqual(config.value.notices, [])
    assert.deepEqual(
      config.value.sip.listen.map(({ transport, port }) => `${transport} ${port}`),
      ['udp 5060', 'tcp 5060', 'tls 5061'],
    )
    assert.deepEqual([...config.value.push.providers.sns.keys()], ['fcm', 'apns'])
  })

  test('a gateway has longer to stop than it drains, and cannot write to its image', () => {
    const [task] = Object.values(plain.findResources('AWS::ECS::TaskDefinition'))
    const [container] = task!.Properties.ContainerDefinitions
    const drain = container.Environment.find(({ Name }: { Name: string }) => Name === 'DRAIN_SECONDS').Value
    assert.ok(container.StopTimeout > Number(drain))
    assert.equal(container.ReadonlyRootFilesystem, true)
    assert.equal(container.User, '1000:1000')
  })

  test('phones reach gateways over UDP and TCP, one phone always the same one, at addresses that stay', () => {
    plain.hasResourceProperties('AWS::ElasticLoadBalancingV2::Listener', { Port: 5060, Protocol: 'TCP_UDP' })
    plain.hasResourceProperties('AWS::ElasticLoadBalancingV2::TargetGroup', {
      Protocol: 'TCP_UDP',
      HealthCheckPath: '/readyz?exclude=store',
      TargetGroupAttributes: Match.arrayWith([
        { Key: 'preserve_client_ip.enabled', Value: 'true' },
        { Key: 'stickiness.enabled', Value: 'true' },
        { Key: 'stickiness.type', Value: 'source_ip' },
      ]),
    })
    plain.resourceCountIs('AWS::EC2::EIP', 2)
    plain.hasResourceProperties('AWS::EC2::SecurityGroup', {
      GroupDescription: Match.stringLikeRegexp('Gateways/Service'),
      SecurityGroupIngress: [
        Match.objectLike({ CidrIp: '0.0.0.0/0', FromPort: 5060, IpProtocol: 'udp' }),
        Match.objectLike({ CidrIp: '0.0.0.0/0', FromPort: 5060, IpProtocol: 'tcp' }),
      ],
    })
  })

  test('SIP over TLS is open where there is a certificate for it, and ends at the gateways', () => {
    whole.hasResourceProperties('AWS::ElasticLoadBalancingV2::Listener', { Port: 5061, Protocol: 'TCP' })
    const ports = [5060, 5060, 5061].map((port) => Match.objectLike({ CidrIp: '0.0.0.0/0', FromPort: port }))
    whole.hasResourceProperties('AWS::EC2::SecurityGroup', { SecurityGroupIngress: ports })
    plain.resourcePropertiesCountIs('AWS::ElasticLoadBalancingV2::Listener', { Port: 5061 }, 0)
  })

  test('the health checks of the load balancer are let in, and nobody else to the HTTP API', () => {
    const ingress = Object.values(plain.findResources('AWS::EC2::SecurityGroupIngress'))
    assert.equal(ingress.length, 1)
    const { FromPort, SourceSecurityGroupId, CidrIp } = ingress[0]!.Properties
    assert.equal(FromPort, 8080)
    assert.match(JSON.stringify(SourceSecurityGroupId), /LoadBalancerSecurityGroup/)
    assert.equal(CidrIp, undefined)
    plain.resourceCountIs('AWS::ElasticLoadBalancingV2::Listener', 1)
  })

  test('the HTTP API is open over TLS alone, where there is a certificate', () => {
    whole.hasResourceProperties('AWS::ElasticLoadBalancingV2::Listener', { Port: 443, Protocol: 'TLS' })
    whole.resourceCountIs('AWS::ElasticLoadBalancingV2::Listener', 3)
  })

  test('Redis evicts nothing, encrypts, and has a replica in another zone', () => {
    plain.hasResourceProperties('AWS::ElastiCache::ParameterGroup', {
      Properties: { 'maxmemory-policy': 'noeviction' },
    })
    plain.hasResourceProperties('AWS::ElastiCache::ReplicationGroup', {
      Engine: 'valkey',
      NumCacheClusters: 2,
      AutomaticFailoverEnabled: true,
      MultiAZEnabled: true,
      TransitEncryptionEnabled: true,
      AtRestEncryptionEnabled: true,
    })
  })

  test('a Redis of one’s own takes its place', () => {
    whole.resourceCountIs('AWS::ElastiCache::ReplicationGroup', 0)
    whole.hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: Match.objectLike({ UPSTASH_REDIS_REST_URL: Match.anyValue() }) },
    })
  })

  test('no secret is in the template', () => {
    for (const each of [plain, whole]) {
      const text = JSON.stringify(each.toJSON())
      assert.doesNotMatch(text, /whsec_(?!\{\{resolve|"|",)/)
      assert.doesNotMatch(text, /rediss:\/\/:(?!\{\{resolve|"|",)/)
    }
  })

  test('a function has longer than a gateway waits for it', () => {
    plain.hasResourceProperties('AWS::Lambda::Function', {
      Timeout: 3,
      Handler: 'index.handler',
      Architectures: ['arm64'],
    })
    plain.hasResourceProperties('AWS::Lambda::Url', { AuthType: 'NONE' })
  })

  test('gateways may push by the platform applications, and have no rights on SNS without any', () => {
    const rights = Match.arrayWith([
      Match.objectLike({
        Action: ['sns:CreatePlatformEndpoint', 'sns:GetEndpointAttributes', 'sns:Publish', 'sns:SetEndpointAttributes'],
      }),
    ])
    const policy = {
      PolicyDocument: { Statement: rights },
      Roles: [{ Ref: Match.stringLikeRegexp('GatewaysTaskTaskRole') }],
    }
    whole.hasResourceProperties('AWS::IAM::Policy', policy)
    assert.ok(!JSON.stringify(plain.toJSON()).includes('sns:CreatePlatformEndpoint'))
  })

  test('each platform application is one resource, by its secret, and none where there is none', () => {
    plain.resourceCountIs('Custom::SnsPlatformApplication', 0)
    whole.resourceCountIs('Custom::SnsPlatformApplication', 2)
    whole.hasResourceProperties('Custom::SnsPlatformApplication', { Platform: 'APNS_VOIP', SecretArn: SECRET })
    const [output] = Object.values(whole.findOutputs('SnsPlatformApplications'))
    assert.match(JSON.stringify(output!.Value), /fcm=.*,apns\.voip=/)
  })

  test('every alarm tells somebody', () => {
    const alarms = Object.values(plain.findResources('AWS::CloudWatch::Alarm'))
    assert.equal(alarms.length, 7)
    for (const { Properties } of alarms) assert.equal(Properties.AlarmActions.length, 1)
  })

  test('the types are right', () => {
    const tsc = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url))
    assert.equal(output(process.execPath, [tsc, '-p', ROOM]), '')
  })

  test('cdk synth does it all, offline', () => {
    const context = ['-c', 'domains=example.com', '-c', `functionsBundle=${bundle}`]
    const cdk = join(ROOM, 'node_modules/aws-cdk/bin/cdk')
    output(process.execPath, [
      cdk,
      'synth',
      '--quiet',
      '--no-notices',
      '--output',
      join(directory, 'cdk.out'),
      ...context,
    ])
    const { Resources } = JSON.parse(readFileSync(join(directory, 'cdk.out/Rouse.template.json'), 'utf8'))
    assert.ok(Object.values(Resources).length > 40)
  })

  test('the bundle of the functions answers what a Function URL asks, to its gateways alone', async () => {
    const { bundleFunctions } = await import('../../../infra/aws/bundle.ts')
    const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
    process.env.WEBHOOK_SECRET = secret
    const { handler } = await import(pathToFileURL(join(bundleFunctions(), 'index.mjs')).href)
    const http = {
      method: 'GET',
      path: '/.well-known/rouse',
      protocol: 'HTTP/1.1',
      sourceIp: '192.0.2.1',
      userAgent: 'rouse',
    }
    const asked = (headers: object) =>
      handler(
        {
          version: '2.0',
          rawPath: http.path,
          rawQueryString: '',
          headers: { host: 'abc.lambda-url.eu-west-1.on.aws', ...headers },
          requestContext: { domainName: 'abc.lambda-url.eu-west-1.on.aws', stage: '$default', http },
          isBase64Encoded: false,
        },
        { getRemainingTimeInMillis: () => 3000 },
      )
    assert.equal((await asked({})).statusCode, 401)
    const answer = await asked(await createSigner(secret).sign('manifest', '', Date.now()))
    assert.equal(answer.statusCode, 200)
    assert.equal(JSON.parse(answer.body).contract, 1)
  })
})

function output(program: string, args: string[]): string {
  const env = {
    ...process.env,
    CDK_DISABLE_CLI_TELEMETRY: 'true',
    PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`,
  }
  try {
    return execFileSync(program, args, { cwd: ROOM, encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`${stdout}${stderr}`)
  }
}
