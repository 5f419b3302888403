import type { Result } from '../contract/problem.ts'
import { type Incoming, isJsonType, parsedJson } from './incoming.ts'
import { invalid } from './posted-event.ts'

const FORM = 'application/x-www-form-urlencoded'
/** Fields of a form at most. */
const MAX_FIELDS = 1000

/**
 * A third party's body: nothing, JSON under whatever type, or a form, which becomes an object of texts (of a list of them where a name comes again).
 * @param isKnown whether the sender has shown who it is; else only what no web page could have posted is read
 */
export function mappedBody({ contentType }: Incoming, text: string, isKnown: boolean): Result<unknown> {
  if (!isKnown && !isJsonType(contentType))
    return invalid(`Content-Type: expected application/json from somebody unknown, got "${contentType.slice(0, 80)}"`)
  if (text === '') return { ok: true, value: undefined }
  if (contentType === FORM) return fieldsOf(new URLSearchParams(text))
  const json = parsedJson(text)
  return json === undefined ? invalid('the body is neither JSON nor a form') : { ok: true, value: json }
}

function fieldsOf(form: URLSearchParams): Result<unknown> {
  const fields = new Map<string, string | string[]>()
  let count = 0
  for (const [name, value] of form) {
    if (++count > MAX_FIELDS) return invalid(`expected at most ${MAX_FIELDS} fields`)
    const before = fields.get(name)
    fields.set(name, before === undefined ? value : [before, value].flat())
  }
  return { ok: true, value: Object.fromEntries(fields) }
}
