import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

/** infra/FAILURES.md says what becomes of calls, and by which tests that is known. */

const PAGE = new URL('../infra/FAILURES.md', import.meta.url)
const TEXT = readFileSync(PAGE, 'utf8')
/** `[title](path)`, or `[words](path "title")`. */
const LINKS = [...TEXT.matchAll(/\[([^\]]+)\]\((\S+\.test\.ts)(?: "([^"]+)")?\)/g)].map(([, words, path, title]) => ({
  title: (title ?? words!).replaceAll('\\*', '*'),
  path: path!,
}))

test('every test that the failures are known by exists, under that title and in that file', () => {
  assert.ok(LINKS.length > 40)
  const missing = LINKS.filter(({ title, path }) => !titlesIn(path).some((each) => each.includes(title)))
  assert.deepEqual(missing, [])
})

test('every row of a failure names a test', () => {
  const rows = TEXT.split('\n').filter((line) => /^\| (?!the call is|-)/.test(line))
  assert.ok(rows.length > 30)
  assert.deepEqual(
    rows.filter((row) => !row.includes('.test.ts')),
    [],
  )
})

function titlesIn(path: string): string[] {
  const source = readFileSync(new URL(path, PAGE), 'utf8')
  return [...source.matchAll(/\b(?:test|it)\(\s*(['"`])(.*?)\1/g)].map(([, , title]) => title!)
}
