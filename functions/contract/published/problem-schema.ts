import { PROBLEMS } from '../problem.ts'
import type { JsonSchema } from './json.ts'

/** The body that `problemDetails` makes. */
export function problemSchema(): JsonSchema {
  const codes = Object.keys(PROBLEMS)
  const statuses = [...new Set(Object.values(PROBLEMS).map(({ http }) => http))].sort()
  return {
    type: 'object',
    properties: {
      type: { type: 'string', enum: codes.map((code) => `urn:rouse:problem:${code}`) },
      title: { type: 'string', enum: codes },
      status: { type: 'integer', enum: statuses },
      detail: { type: 'string' },
      pointer: { type: 'string', pattern: '^(/([^~/]|~[01])*)*$' },
    },
    required: ['type', 'title', 'status', 'detail'],
  }
}
