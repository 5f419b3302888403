import { openApi } from './openapi.ts'
import { publishedSchema } from './schema.ts'

/** What is checked in beside this file, by name. */
export const DOCUMENTS: Readonly<Record<string, () => object>> = {
  'rouse.schema.json': publishedSchema,
  'openapi.json': openApi,
}
