import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { tables } from '../../../infra/costs/tables.ts'

test('the tables of the page about costs are those that the prices and the counts give', () => {
  const page = readFileSync(new URL('../../../infra/COSTS.md', import.meta.url), 'utf8')
  const plain = (text: string) =>
    text
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) => line.replaceAll(/ +/g, ' ').replaceAll(/-+/g, '-'))
  assert.deepEqual(plain(page), plain(tables()))
})
