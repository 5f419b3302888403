import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { PodMonitor, PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1'
import { Deployment, StatefulSet } from 'kubernetes-models/apps/v1'
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { ConfigMap, type IContainer, Namespace, Secret, Service } from 'kubernetes-models/v1'
import { parse, parseAllDocuments } from 'yaml'
import { readConfig } from '../../gateway/config.ts'
import { Counters } from '../../gateway/observe/counters.ts'
import { renderPrometheus } from '../../gateway/observe/prometheus.ts'
import { absent } from '../peers.ts'

const ROOM = fileURLToPath(new URL('../../infra/kubernetes', import.meta.url))
const MODELS = {
  ...{ ConfigMap, Deployment, HorizontalPodAutoscaler, Namespace, NetworkPolicy, PodDisruptionBudget, PodMonitor },
  ...{ PrometheusRule, Secret, Service, StatefulSet },
} as unknown as Record<string, (new (data: object) => { validate(): void }) & { apiVersion: string }>
const SECRETS = {
  API_TOKEN: 'abc',
  WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 1).toString('base64')}`,
  REDIS_URL: 'redis://redis:6379',
}

interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string }
  data?: Record<string, string>
}

const files = globSync('{base,overlays/*}/*.yaml', { cwd: ROOM }).filter(
  (file) => !/kustomization|prometheus-adapter/.test(file),
)
const manifests = files.flatMap((file) => documents(readFileSync(join(ROOM, file), 'utf8')))
const gateway = one<StatefulSet>(manifests, 'StatefulSet', 'gateway')
const pod = gateway.spec!.template!.spec!
const container = pod.containers[0] as IContainer

test('every manifest has the fields that its kind has', () => {
  assert.ok(files.length > 8)
  assert.deepEqual(manifests.flatMap(faults), [])
})

test('the models would say what is wrong with a manifest', () => {
  const wrong = structuredClone(gateway) as unknown as {
    spec: { replicas: unknown; template: { spec: { containers: object[] } } }
  }
  wrong.spec.replicas = 'two'
  wrong.spec.template.spec.containers[0] = { ...wrong.spec.template.spec.containers[0], readyProbe: {} }
  const said = faults(wrong as unknown as Manifest).join('\n')
  assert.match(said, /replicas/)
})

test('a gateway keeps its name, knows its address, and is told both by the cluster', () => {
  const fields = container.env?.map(({ name, valueFrom }) => [name, valueFrom?.fieldRef?.fieldPath])
  assert.deepEqual(fields, [
    ['GATEWAY_ID', 'metadata.name'],
    ['GATEWAY_ADDRESS', 'status.podIP'],
  ])
})

test('a gateway has longer to stop than it waits for load balancers and drains', () => {
  const { configMapGenerator } = parse(readFileSync(join(ROOM, 'base/kustomization.yaml'), 'utf8'))
  const drain = /DRAIN_SECONDS=(\d+)/.exec(configMapGenerator[0].literals.join())?.[1]
  const preStop = container.lifecycle?.preStop?.sleep?.seconds ?? 0
  assert.ok(preStop > 0)
  assert.ok(pod.terminationGracePeriodSeconds! > Number(drain) + Number(preStop))
})

test('an outage of Redis neither kills a gateway nor takes it from the callers', () => {
  assert.equal(container.readinessProbe?.httpGet?.path, '/readyz?exclude=store')
  assert.equal(container.livenessProbe?.httpGet?.path, '/healthz')
})

test('every container is unprivileged, on a read-only root, without a token of the cluster', () => {
  const workloads = manifests.filter(({ kind }) => kind === 'StatefulSet' || kind === 'Deployment')
  assert.equal(workloads.length, 4)
  for (const { spec, metadata } of workloads as unknown as Deployment[]) {
    const { securityContext, containers, automountServiceAccountToken } = spec!.template.spec!
    assert.equal(securityContext?.runAsNonRoot, true, metadata?.name)
    assert.equal(automountServiceAccountToken, false, metadata?.name)
    for (const { securityContext } of containers) {
      assert.equal(securityContext?.readOnlyRootFilesystem, true, metadata?.name)
      assert.equal(securityContext?.allowPrivilegeEscalation, false, metadata?.name)
      assert.deepEqual(securityContext?.capabilities?.drop, ['ALL'], metadata?.name)
    }
  }
})

test('phones are seen at their own address, and one phone is served by one gateway', () => {
  const { spec } = one<Service>(manifests, 'Service', 'sip')
  assert.equal(spec?.externalTrafficPolicy, 'Local')
  assert.equal(spec?.sessionAffinity, 'ClientIP')
  assert.deepEqual(
    spec?.ports?.map(({ port, protocol }) => `${port}/${protocol}`),
    ['5060/UDP', '5060/TCP'],
  )
})

test('gateways are scaled by the calls that the gateway counts', () => {
  const counters = new Counters()
  counters.gauge('live{kind="calls"}', () => 3)
  assert.match(renderPrometheus(counters), /^rouse_live\{kind="calls"\} 3$/m)
  const [rule] = parse(readFileSync(join(ROOM, 'overlays/production/prometheus-adapter.yaml'), 'utf8')).rules.custom
  assert.match(rule.seriesQuery, /^rouse_live\{kind="calls",/)
  assert.match(rule.metricsQuery, /\(rouse_live\{kind="calls",<<\.LabelMatchers>>\}\)$/)
  const { spec } = one<HorizontalPodAutoscaler>(manifests, 'HorizontalPodAutoscaler', 'gateway')
  assert.equal(spec?.metrics?.[0]?.pods?.metric.name, rule.name.as)
  assert.deepEqual(spec?.scaleTargetRef, { apiVersion: 'apps/v1', kind: 'StatefulSet', name: gateway.metadata?.name })
})

test('every metric of the alerts is in the README', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  const { spec } = one<PrometheusRule>(manifests, 'PrometheusRule', 'gateway')
  const named = spec!.groups!.flatMap(({ rules = [] }) =>
    rules.flatMap(({ expr }) => String(expr).match(/rouse_\w+/g) ?? []),
  )
  assert.ok(named.length > 5)
  for (const name of named) assert.ok(readme.includes(`\`${name}`), name)
})

describe('kustomize builds', { skip: absent('kubectl') }, () => {
  let directory: string
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'rouse-kustomize-'))
    cpSync(ROOM, directory, { recursive: true })
    const secrets = Object.entries(SECRETS).map(([name, value]) => `${name}=${value}\n`)
    writeFileSync(join(directory, 'overlays/local/secrets.env'), secrets.join(''))
  })
  after(() => rmSync(directory, { recursive: true }))

  for (const overlay of ['local', 'production']) {
    test(`the overlay ${overlay}, with settings that the gateway takes without a remark`, () => {
      const built = documents(
        execFileSync('kubectl', ['kustomize', join(directory, 'overlays', overlay)], { encoding: 'utf8' }),
      )
      assert.deepEqual(built.flatMap(faults), [])
      const { spec } = one<StatefulSet>(built, 'StatefulSet', 'gateway')
      const { envFrom, image } = spec!.template.spec!.containers[0]!
      assert.match(image!, /rouse:.+/)
      const settings = built.find(
        ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === envFrom?.[0]?.configMapRef?.name,
      )
      const ofImage = { SIP_LISTEN: 'udp://0.0.0.0:5060,tcp://0.0.0.0:5060', HTTP_LISTEN: '0.0.0.0:8080' }
      const config = readConfig({
        ...ofImage,
        ...SECRETS,
        ...settings?.data,
        GATEWAY_ID: 'gateway-0',
        GATEWAY_ADDRESS: '10.0.0.1',
      })
      assert.ok(config.ok, JSON.stringify(config))
      assert.deepEqual(config.value.notices, [])
      for (const { kind, metadata } of built) if (kind !== 'Namespace') assert.equal(metadata.namespace, 'rouse')
    })
  }
})

function documents(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest)
}

function one<T>(manifests: readonly Manifest[], kind: string, name: string): T {
  const found = manifests.filter((manifest) => manifest.kind === kind && manifest.metadata.name === name)
  assert.equal(found.length, 1, `${kind} ${name}`)
  return found[0] as T
}

/** What the model of its kind says against it. */
function faults(manifest: Manifest): string[] {
  const name = `${manifest.kind} ${manifest.metadata.name}`
  const Model = MODELS[manifest.kind]
  if (Model === undefined || Model.apiVersion !== manifest.apiVersion)
    return [`${name}: no model for ${manifest.apiVersion}`]
  try {
    new Model(manifest).validate()
    return []
  } catch (error) {
    return [`${name}: ${(error as Error).message}`]
  }
}
