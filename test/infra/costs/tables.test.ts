import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { inPage, PAGE } from '../../../infra/costs/page.ts'

test('the tables of the page about costs are those that the prices and the counts give (else: node infra/costs/write.ts)', () => {
  const page = readFileSync(PAGE, 'utf8')
  const unaligned = (text: string) => text.replaceAll(/ +/g, ' ').replaceAll(/-+/g, '-')
  assert.equal(unaligned(page), unaligned(inPage(page)))
})
