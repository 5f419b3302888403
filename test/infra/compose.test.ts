import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { DCLinter } from 'dclint'
import { parse } from 'yaml'
import { readConfig } from '../../gateway/config.ts'

const FILE = fileURLToPath(new URL('../../infra/compose/compose.yaml', import.meta.url))
const TEXT = readFileSync(FILE, 'utf8')
const EXAMPLE = readFileSync(new URL('../../infra/compose/env.example', import.meta.url), 'utf8')

interface Service {
  build?: { context: string; dockerfile: string }
  image?: string
  command?: string[]
  environment?: Record<string, string>
  ports?: string[]
  healthcheck?: { test: string[] }
  depends_on?: Record<string, { condition: string }>
  stop_grace_period?: string
  read_only?: boolean
  cap_drop?: string[]
  security_opt?: string[]
}

const services = (parse(TEXT, { merge: true }) as { services: Record<string, Service> }).services
const gateways = Object.entries(services).filter(([name]) => name.startsWith('gateway-'))
/** What a user has to say, as env.example has it. */
const SAID = { API_TOKEN: 'abc', WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 1).toString('base64')}` }

test('the file follows the schema of Compose and the rules of its linter', (t) => {
  assert.deepEqual(complaints(t, TEXT), [])
})

test('the linter would say what is wrong with the file', (t) => {
  const open = TEXT.replace('127.0.0.1:8080:8080', '8080:8080')
  assert.match(
    complaints(t, open).join('\n'),
    /"gateway-1" is exporting port "8080:8080" without specifying the interface/,
  )
  const misspelt = TEXT.replace('stop_grace_period', 'stop_grace_periods')
  assert.match(complaints(t, misspelt).join('\n'), /additional properties/)
})

test('every gateway of the file has settings that the gateway takes without a remark', () => {
  assert.equal(gateways.length, 2)
  for (const [name, { environment = {} }] of gateways) {
    const image = { SIP_LISTEN: 'udp://0.0.0.0:5060,tcp://0.0.0.0:5060', HTTP_LISTEN: '0.0.0.0:8080' }
    const config = readConfig({ ...image, GATEWAY_ADDRESS: '172.18.0.2', ...filled(environment, SAID) })
    assert.ok(config.ok, JSON.stringify(config))
    assert.deepEqual(config.value.notices, [])
    assert.equal(config.value.gateway.id, name)
  }
})

test('nothing starts before somebody has made its secrets, and the example names them', () => {
  const required = [...TEXT.matchAll(/\$\{([A-Z_]+):\?/g)].map(([, name]) => name!)
  const optional = [...TEXT.matchAll(/\$\{([A-Z_]+):-/g)].map(([, name]) => name!)
  assert.deepEqual([...new Set(required)].sort(), ['API_TOKEN', 'WEBHOOK_SECRET'])
  for (const name of required) assert.match(EXAMPLE, new RegExp(`^${name}=$`, 'm'))
  for (const name of optional) assert.match(EXAMPLE, new RegExp(`^#${name}=`, 'm'))
})

test('a gateway has longer to stop than it drains', () => {
  for (const [, { environment = {}, stop_grace_period = '10s' }] of gateways)
    assert.ok(Number.parseInt(stop_grace_period, 10) > Number(environment.DRAIN_SECONDS))
})

test('every service is guarded, and whoever needs it waits until it is healthy', () => {
  for (const [name, service] of Object.entries(services)) {
    assert.equal(service.read_only, true, name)
    assert.deepEqual(service.cap_drop, ['ALL'], name)
    assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name)
    // That of the gateways is in the image.
    if (!name.startsWith('gateway-')) assert.ok(service.healthcheck, name)
    for (const { condition } of Object.values(service.depends_on ?? {})) assert.equal(condition, 'service_healthy')
  }
})

test('the HTTP API of the gateways is open to this machine alone', () => {
  for (const [, { ports = [] }] of gateways) {
    const http = ports.filter((port) => port.endsWith(':8080'))
    assert.deepEqual(http.length, 1)
    assert.match(http[0]!, /^127\.0\.0\.1:/)
  }
})

/** What dclint says of a file whose variables have their values; it checks the schema before its rules. */
function complaints(t: TestContext, text: string): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'rouse-compose-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'compose.yaml')
  writeFileSync(file, filledText(text, SAID))
  const rules: ConstructorParameters<typeof DCLinter>[0]['rules'] = {
    'no-unbound-port-interfaces': 2,
    'require-project-name-field': 2,
    'require-quotes-in-ports': [2, { quoteType: 'double' }],
    // What YAML names once and uses later has to come in the order of use.
    'top-level-properties-order': 0,
    'service-keys-order': 0,
  }
  const results: { messages: { line: number; message: string }[] }[] = new DCLinter({
    rules,
    quiet: false,
    debug: false,
    exclude: [],
  }).lintFiles([file], false)
  return results.flatMap(({ messages }) => messages).map(({ message, line }) => `${line}: ${message}`)
}

function filled(environment: Record<string, string>, said: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, filledText(value, said)]))
}

/** As Compose interpolates: `${NAME:?why}`, `${NAME:-default}`. */
function filledText(text: string, said: Record<string, string>): string {
  return text.replaceAll(
    /\$\{([A-Z_]+):([?-])([^}]*)\}/g,
    (_, name, kind, rest) => said[name] ?? (kind === '-' ? rest : ''),
  )
}
