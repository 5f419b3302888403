import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { readmeExample } from '../support/readme-example.ts'

const ROOM = new URL('./', import.meta.url)

test('the example of the README starts a stand-in, which refuses a push without TTL', async () => {
  const { default: example } = await readmeExample('test/push-services/README.md', 'stand-in')
  assert.deepEqual(await (example as () => Promise<string[]>)(), ['400 TTL: seconds, required'])
})

test('a stand-in imports nothing of the router', () => {
  const files = globSync('*.ts', { cwd: ROOM }).filter((file) => !file.endsWith('.test.ts'))
  const foreign = files.flatMap((file) =>
    [...readFileSync(new URL(file, ROOM), 'utf8').matchAll(/(?:from|import) '([^']+)'/g)]
      .map(([, name]) => name!)
      .filter((name) => !name.startsWith('node:') && !/^\.\/[\w-]+\.ts$/.test(name)),
  )
  assert.ok(files.length > 10)
  assert.deepEqual(foreign, [])
})
