import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { readConfig } from '../../gateway/config.ts'
import { KNOWN_SETTINGS } from '../../gateway/config-known.ts'
import { absent } from '../peers.ts'

const UNIT = new URL('../../infra/systemd/rouse.service', import.meta.url)
const EXAMPLE = readFileSync(new URL('../../infra/systemd/env.example', import.meta.url), 'utf8')

test('systemd finds nothing wrong with the unit', { skip: absent('systemd-analyze') }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'rouse-unit-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const unit = join(directory, 'rouse.service')
  // The program of the unit is where it will be installed, not here: its presence is the one thing that is not checked.
  const text = readFileSync(UNIT, 'utf8').replace('/opt/rouse/node_modules/.bin/node', process.execPath)
  writeFileSync(unit, text)
  assert.equal(await complaints(unit), '')
})

test('systemd would say what is wrong with a unit', { skip: absent('systemd-analyze') }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'rouse-unit-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const unit = join(directory, 'rouse.service')
  copyFileSync(UNIT, unit)
  writeFileSync(unit, readFileSync(UNIT, 'utf8').replace('NoNewPrivileges=yes', 'NoNewPrivileges=perhaps'))
  assert.match(await complaints(unit), /perhaps/)
})

test('every setting of the example environment is one the gateway reads', () => {
  const unknown = settings(/^#?([A-Z][A-Z0-9_]*)=/gm).filter(
    (name) => !(KNOWN_SETTINGS as readonly string[]).includes(name),
  )
  assert.deepEqual(unknown, [])
})

test('every setting the gateway reads is in the example environment', () => {
  const named = settings(/^#?([A-Z][A-Z0-9_]*)=/gm)
  assert.deepEqual(
    KNOWN_SETTINGS.filter((name) => !named.includes(name)),
    [],
  )
})

test('the gateway takes the example environment as it is', () => {
  const env = Object.fromEntries(
    [...EXAMPLE.matchAll(/^([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(([, name, value]) => [name!, value!]),
  )
  const config = readConfig({ ...env, FUNCTIONS: 'functions/examples/app.ts' })
  assert.ok(config.ok, JSON.stringify(config))
  assert.deepEqual(config.value.notices, [])
})

function settings(pattern: RegExp): string[] {
  return [...EXAMPLE.matchAll(pattern)].map(([, name]) => name!)
}

/** What systemd says about this unit; units of the machine itself may have faults of their own. */
async function complaints(unit: string): Promise<string> {
  const { stderr } = await promisify(execFile)('systemd-analyze', ['verify', '--man=no', unit]).catch((error) => error)
  const lines = String(stderr).split('\n')
  return lines.filter((line) => line.includes('rouse')).join('\n')
}
