import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

/** Which room may import from which: arrows point one way. */

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** A room is the longest of these that a path begins with. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  'functions/contract': [],
  'functions/store': ['functions/contract'],
  'functions/sdk': ['functions/contract', 'functions/store'],
  'functions/testing': ['functions/contract', 'functions/store', 'functions/sdk'],
  'functions/push': ['functions/contract'],
  'functions/ingress': ['functions/contract', 'functions/store', 'functions/sdk'],
  'functions/examples': ['functions/sdk'],
  'functions/entry': ['functions/contract', 'functions/sdk', 'functions/push', 'functions/ingress'],
  'gateway/sip': ['functions/contract'],
  'gateway/transport': ['gateway/sip', 'functions/contract'],
  'gateway/cluster': [
    'gateway/sip',
    'gateway/transport',
    'gateway/transaction',
    'gateway/observe',
    'functions/store',
    'functions/contract',
  ],
  'gateway/transaction': ['gateway/sip', 'gateway/transport', 'functions/contract'],
  'gateway/media': ['gateway/sip', 'gateway/integration', 'gateway/observe', 'functions/contract', 'functions/store'],
  'gateway/proxy': [
    'gateway/sip',
    'gateway/media',
    'gateway/transport',
    'gateway/transaction',
    'gateway/cluster',
    'functions/contract',
    'functions/store',
  ],
  'gateway/registrar': [
    'gateway/sip',
    'gateway/push',
    'gateway/transport',
    'gateway/transaction',
    'functions/contract',
    'functions/store',
  ],
  'gateway/dialog': [
    'gateway/sip',
    'gateway/media',
    'gateway/transport',
    'gateway/transaction',
    'gateway/cluster',
    'gateway/proxy',
    'gateway/push',
    'functions/contract',
    'functions/store',
  ],
  'gateway/push': ['gateway/observe', 'gateway/proxy', 'functions/contract', 'functions/store'],
  'gateway/observe': ['functions/contract'],
  'gateway/outbox': ['gateway/observe', 'gateway/integration', 'functions/contract', 'functions/store'],
  'gateway/cgrates': ['gateway/integration', 'gateway/observe', 'functions/contract', 'functions/store'],
  'gateway/amqp': [
    'gateway/observe',
    'gateway/integration',
    'gateway/outbox',
    'gateway/config-values.ts',
    'functions/ingress',
    'functions/contract',
    'functions/store',
  ],
  'gateway/freeswitch': ['gateway/observe', 'gateway/integration', 'functions/contract', 'functions/store'],
  'gateway/hep': [
    'gateway/sip',
    'gateway/transport',
    'gateway/observe',
    'gateway/integration',
    'gateway/config-values.ts',
    'functions/contract',
  ],
  'gateway/integration': ['gateway/observe', 'functions/contract', 'functions/store'],
  'gateway/standby': ['functions/contract', 'functions/store'],
  'gateway/api': ['gateway/observe', 'gateway/outbox', 'gateway/sip', 'functions/contract', 'functions/store'],
  // Simulated phones and the development session: on top of the whole gateway.
  'gateway/cli': [
    'gateway/sip',
    'gateway/transport',
    'gateway/transaction',
    'gateway/invocation',
    'gateway/observe',
    'gateway/push',
    'gateway/config.ts',
    'gateway/config-values.ts',
    'gateway/http-functions.ts',
    'gateway/nearest.ts',
    'gateway/open.ts',
    'functions/contract',
  ],
  'gateway/invocation': [
    'gateway/sip',
    'gateway/media',
    'gateway/transport',
    'gateway/transaction',
    'gateway/cluster',
    'gateway/proxy',
    'gateway/registrar',
    'gateway/dialog',
    'gateway/push',
    'gateway/cgrates',
    'gateway/observe',
    'gateway/freeswitch',
    'gateway/api',
    'functions/contract',
    'functions/store',
  ],
}
/** Copied into the projects of others: no part of the router. */
const TEMPLATE = 'gateway/cli/template/'
/** Files that tie the rooms together, and so may import from all of them. */
const ENTRIES = /^(gateway\/[^/]+\.ts|gateway\/cli\/(main|dev\/thread|commands\/.*)\.ts|functions\/entry\/.*)$/
/** The one thing that only entry files may do. */
const IMPURE = /\b(Date\.now|setTimeout|setInterval|Math\.random|randomUUID|randomFillSync|randomBytes|process\.env)\b/
/** What developers construct without any parts has its defaults in one place each. */
const DEFAULTS: Record<string, string> = {
  'functions/sdk/drain.ts': 'notices that a handler only waits for the gateway: a turn of the event loop, no time',
  'functions/sdk/router.ts': 'default of the option `now`, the age of signatures',
  'functions/contract/platform.ts': 'default of the options `clock` and `ids`: deadlines, ids of events',
}

const files = globSync(['gateway/**/*.ts', 'functions/**/*.ts'], { cwd: ROOT }).filter(
  (file) => !file.startsWith(TEMPLATE),
)

test('imports between rooms point one way', () => {
  const wrong: string[] = []
  for (const file of files) {
    if (ENTRIES.test(file)) continue
    const room = roomOf(file)
    for (const target of importsOf(file)) {
      const to = roomOf(target)
      if (to !== room && !MAY_IMPORT[room]?.includes(to)) wrong.push(`${file} imports ${target}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('functions never import from the gateway', () => {
  const wrong = files.filter(
    (file) => file.startsWith('functions/') && importsOf(file).some((target) => target.startsWith('gateway/')),
  )
  assert.deepEqual(wrong, [])
})

test('nothing below an entry file reads the wall clock, randomness or the environment', () => {
  const wrong = files.filter(
    (file) =>
      !ENTRIES.test(file) &&
      !(file in DEFAULTS) &&
      IMPURE.test(withoutComments(readFileSync(join(ROOT, file), 'utf8'))),
  )
  assert.deepEqual(wrong, [])
})

function importsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8')
  return [...text.matchAll(/(?:from|import)\s+'([^']+)'/g)].flatMap(([, name]) => {
    if (name === 'rouse') return ['functions/sdk/index.ts']
    if (name === 'rouse/store') return ['functions/sdk/store.ts']
    if (name === 'rouse/testing') return ['functions/testing/index.ts']
    return name!.startsWith('.') ? [normalize(join(dirname(file), name!))] : []
  })
}

function roomOf(file: string): string {
  return Object.keys(MAY_IMPORT).find((room) => file.startsWith(`${room}/`)) ?? file
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '')
}

test('the testing kit runs wherever functions do: nothing of it, or of what it imports at once, is of Node', () => {
  const seen = new Set(['functions/testing/index.ts'])
  for (const file of seen) {
    const text = withoutComments(readFileSync(join(ROOT, file), 'utf8'))
    assert.doesNotMatch(text, /^(?:import|export)\b(?! type)[^;]*?from 'node:/m, file)
    for (const target of importsOf(file)) if (target !== 'functions/sdk/digest.ts') seen.add(target)
  }
  assert.ok(seen.size > 20)
})
