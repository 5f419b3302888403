import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { CASES } from './cases.ts'

const COUNTS = { ST: 16, CT: 14, CA: 8, PX: 21, FK: 14, RG: 10, TC: 11, DN: 7 }

test('the catalogue has every id of every group', () => {
  const ids = Object.entries(COUNTS).flatMap(([group, count]) =>
    Array.from({ length: count }, (_, index) => `${group}${index + 1}`),
  )
  assert.deepEqual(Object.keys(CASES).sort(), ids.sort())
})

test('every behaviour has a test whose title begins with its id, in the file that is named, or a reason why it has none', () => {
  const tested = titles()
  for (const [id, { file, reason }] of Object.entries(CASES)) {
    assert.ok(file ?? reason, `${id}: neither tested nor explained`)
    assert.deepEqual([...(tested.get(id) ?? [])], file === undefined ? [] : [`${file}.test.ts`], id)
  }
  for (const id of tested.keys()) assert.ok(CASES[id], `${id} is not in the catalogue`)
})

/** The files in which titles begin with each id. */
function titles(): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const file of readdirSync(import.meta.dirname).filter((name) => name.endsWith('.test.ts'))) {
    const source = readFileSync(`${import.meta.dirname}/${file}`, 'utf8')
    for (const [, id] of source.matchAll(/['`]([A-Z]{2}\d{1,2}) \S/g)) {
      if (id !== undefined) found.set(id, (found.get(id) ?? new Set()).add(file))
    }
  }
  return found
}
