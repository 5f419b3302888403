import { readFileSync } from 'node:fs'
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'
import type { MESSAGES } from '../../../functions/contract/published/definitions.ts'

const FILE = new URL('../../../functions/contract/published/rouse.schema.json', import.meta.url)

export const PUBLISHED: { $id: string; $defs: Record<string, Record<string, unknown>> } & Record<string, unknown> =
  JSON.parse(readFileSync(FILE, 'utf8'))

/** Strict about keywords it does not know; not about types that are said in one place and bounds in another. */
const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allErrors: false })
ajv.addSchema(PUBLISHED)

/** What an independent validator has against a value by the published schema; `undefined` when it is valid. */
export function fault(name: (typeof MESSAGES)[number], value: unknown): string | undefined {
  const validate = ajv.getSchema(`${PUBLISHED.$id}#/$defs/${name}`)
  if (!validate) throw new Error(`no schema ${name}`)
  return validate(value) ? undefined : described(validate.errors ?? [])
}

function described(errors: readonly ErrorObject[]): string {
  return errors.map(({ instancePath, message }) => `${instancePath || '/'} ${message}`).join('; ')
}
