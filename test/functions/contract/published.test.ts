import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { z } from 'zod/mini'
import { DEFINITIONS } from '../../../functions/contract/published/definitions.ts'
import { fields, WORDS } from '../../../functions/contract/published/describe.ts'
import { DOCUMENTS } from '../../../functions/contract/published/documents.ts'
import { EXAMPLES } from '../../../functions/contract/published/examples.ts'
import { REFINED } from '../../../functions/contract/published/refinements.ts'
import { publishedDefs } from '../../../functions/contract/published/schema.ts'
import { INVOCATION_STATUSES } from '../../../functions/contract/published/statuses.ts'
import { replyOfStatus } from '../../../gateway/invocation/invoker-reply.ts'
import { fault, PUBLISHED } from './judge.ts'

const ROOM = new URL('../../../functions/contract/published/', import.meta.url)

for (const [file, document] of Object.entries(DOCUMENTS)) {
  test(`${file} is what the definition says: if not, npm run contract`, () => {
    assert.deepEqual(JSON.parse(readFileSync(new URL(file, ROOM), 'utf8')), JSON.parse(JSON.stringify(document())))
  })
}

test('the package exports the documents', () => {
  for (const [name, file] of [
    ['rouse/contract/schema.json', 'rouse.schema.json'],
    ['rouse/contract/openapi.json', 'openapi.json'],
  ] as const) {
    assert.equal(import.meta.resolve(name), new URL(file, ROOM).href)
  }
})

test('the schema is one by its meta-schema (JSON Schema 2020-12)', () => {
  const ajv = new Ajv2020()
  assert.equal(ajv.validateSchema(PUBLISHED), true, ajv.errorsText(ajv.errors))
})

test('openapi.json is a document by the schema of OpenAPI 3.1', async () => {
  const validator = new Validator()
  const result = await validator.validate(JSON.parse(readFileSync(new URL('openapi.json', ROOM), 'utf8')))
  assert.deepEqual([result.valid, result.errors, validator.version], [true, undefined, '3.1'])
})

test('every definition and every field has its words, and no words are left over', () => {
  const found = fields(publishedDefs())
  const silent = [...found].filter(([path]) => WORDS[path] === undefined).map(([path]) => path)
  assert.deepEqual(silent, [], 'say what they mean in functions/contract/published/words')
  assert.deepEqual(
    Object.keys(WORDS).filter((path) => !found.has(path)),
    [],
  )
})

test('every refinement by code has its counterpart in the schema', () => {
  const refined = [...DEFINITIONS].flatMap(([name, schema]) => refinements(schema, name))
  assert.deepEqual(
    refined.filter((name) => !(name in REFINED)),
    [],
    'say what they ask for in functions/contract/published/refinements.ts',
  )
  assert.deepEqual(Object.keys(REFINED).sort(), [...new Set(refined)].sort())
})

/** Where the code of a schema decides: its name, or a path to a schema that has none. */
function refinements(schema: z.core.$ZodType, path: string): string[] {
  const def = schema._zod.def as unknown as Record<string, unknown> & {
    checks?: { _zod: { def: { check: string } } }[]
  }
  const own = def.checks?.some(({ _zod }) => _zod.def.check === 'custom') ? [path] : []
  const named = (inner: unknown) => [...DEFINITIONS.values()].includes(inner as z.core.$ZodType)
  return own.concat(children(def).flatMap(([key, inner]) => (named(inner) ? [] : refinements(inner, `${path}.${key}`))))
}

function children(def: Record<string, unknown>): [string, z.core.$ZodType][] {
  const { shape = {}, items = [], options = [], ...inner } = def as Record<string, z.core.$ZodType[]>
  const single = ['element', 'innerType', 'keyType', 'valueType'].flatMap((key) =>
    inner[key] ? [[key, inner[key]]] : [],
  )
  return [...Object.entries({ ...shape }), ...single, ...[...items, ...options].entries()] as [
    string,
    z.core.$ZodType,
  ][]
}

test('every example is valid', () => {
  for (const [name, examples] of Object.entries(EXAMPLES)) {
    for (const [title, { value }] of Object.entries(examples)) {
      assert.equal(fault(name as keyof typeof EXAMPLES, value), undefined, `${name} ${title}`)
    }
  }
})

test('the gateway does with each status what the document says', () => {
  const listed = new Set(INVOCATION_STATUSES.map(({ status }) => status))
  for (let status = 200; status < 600; status++) {
    const name = listed.has(String(status)) ? String(status) : `${String(status)[0]}XX`
    const { retried } = INVOCATION_STATUSES.find((meaning) => meaning.status === name)!
    const reply = replyOfStatus(status, undefined)
    assert.equal(reply.kind === 'problem' && reply.retry, retried, String(status))
    assert.equal(reply.kind === 'problem', !['200', '204'].includes(name), String(status))
  }
})
