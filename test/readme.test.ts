import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { test } from 'node:test'
import type { SipRouter } from '../functions/sdk/index.ts'
import { KNOWN_SETTINGS } from '../gateway/config.ts'
import { world } from './support/world.ts'

const README = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const SCRIPTS = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).scripts as object

test('the route of the README wakes a sleeping phone and forks to it', async () => {
  const code = /```ts\n(\/\/ example: routing\n[\s\S]*?)```/.exec(README)![1]!
  const sdk = new URL('../functions/sdk/index.ts', import.meta.url)
  const located = stripTypeScriptTypes(code.replace("'rouse'", `'${sdk}'`))
  const { default: app } = (await import(`data:text/javascript,${encodeURIComponent(located)}`)) as {
    default: SipRouter
  }
  const w = await world({ app })
  const alice = await w.phone('alice')
  const phone = await w.phone('phone', {
    user: 'bob',
    instance: 'urn:uuid:phone',
    contactParams: 'pn-provider=fcm;pn-prid=x;pn-param=y',
  })
  await phone.registers()
  await phone.vanish()
  await alice.invites('bob')
  assert.equal(w.pushes.length, 1)
  await phone.moveTo(5070)
  await phone.registers()
  await phone.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('every setting in the README exists, and every one that matters to a user is there', () => {
  const named = [...README.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, name]) => name!)
  assert.deepEqual(
    named.filter((name) => !(KNOWN_SETTINGS as readonly string[]).includes(name)),
    [],
  )
  assert.deepEqual(
    KNOWN_SETTINGS.filter((name) => !named.includes(name)),
    [],
  )
})

test('every npm script in the README exists', () => {
  for (const [, script] of README.matchAll(/npm (?:run )?(start|test|demo|bench)\b/g))
    assert.ok(script! in SCRIPTS, script)
})
