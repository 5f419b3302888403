import type * as z from 'zod/mini'
import type { Problem, ProblemCode } from './problem.ts'

/** One fault of a JSON value: where it is and a sentence about it. */
export interface Fault {
  path: readonly PropertyKey[]
  message: string
  /** The fault is the key itself: the sentence is about the record that holds it. */
  isKey?: boolean
}

/** `actions[2].headers.set: "Via" belongs to the gateway`, with the pointer to it. */
export function faultProblem(code: ProblemCode, { path, message, isKey }: Fault): Problem {
  const where = pathText(isKey ? path.slice(0, -1) : path)
  return { code, detail: where ? `${where}: ${message}` : message, pointer: pointerOf(path) }
}

/** RFC 6901; `''` is the whole value. */
export function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/** The first fault a schema found in `value`. */
export function schemaFault(issues: readonly z.core.$ZodIssue[], value: unknown): Fault {
  const { issue, path } = innermost(issues[0]!, [])
  if (issue.code === 'invalid_key') return keyFault(issue, path)
  return { path, message: sentence(issue, valueAt(value, path), path) }
}

/** Of a union, the option that went deepest before it failed: the one that was meant. */
function innermost(issue: z.core.$ZodIssue, above: PropertyKey[]): { issue: z.core.$ZodIssue; path: PropertyKey[] } {
  const path = [...above, ...issue.path]
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return { issue, path }
  const options = issue.errors.flatMap((option) => option.slice(0, 1))
  const deepest = options.reduce((best, option) => (option.path.length > best.path.length ? option : best))
  return deepest.path.length === 0 ? { issue, path } : innermost(deepest, path)
}

/** A key of a record: the detail names the record, the pointer the entry. */
function keyFault(issue: z.core.$ZodIssueInvalidKey, path: PropertyKey[]): Fault {
  const message = issue.issues[0]?.message
  return { path, message: `${preview(path.at(-1))} ${keyMessage(message)}`, isKey: true }
}

function keyMessage(message: string | undefined): string {
  if (message === GATEWAYS_OWN) return message
  return `is not a name that may be used here${message && message !== DEFAULT_MESSAGE ? `: ${message}` : ''}`
}

const GATEWAYS_OWN = 'belongs to the gateway'
const DEFAULT_MESSAGE = 'Invalid input'

function sentence(issue: z.core.$ZodIssue, value: unknown, path: readonly PropertyKey[]): string {
  if (issue.message === GATEWAYS_OWN) return `${preview(value)} ${GATEWAYS_OWN}`
  if (value === undefined) return 'is missing'
  if (path.at(-1) === 'action') return unknownAction(issue, value)
  const expected = issue.message === DEFAULT_MESSAGE ? `expected ${expectation(issue)}` : issue.message
  return isPrivate(path) ? expected : `${expected}, got ${preview(value)}`
}

function unknownAction(issue: z.core.$ZodIssue, value: unknown): string {
  const known = (issue as { options?: unknown[] }).options ?? []
  return `unknown action ${preview(value)}; known are ${known.join(', ')}`
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return article(issue.expected)
    case 'too_small':
      return issue.minimum === 1 && unit(issue.origin) ? 'something' : `at least ${issue.minimum}${unit(issue.origin)}`
    case 'too_big':
      return `at most ${issue.maximum}${unit(issue.origin)}`
    case 'invalid_value':
      return `${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map((value) => JSON.stringify(value)).join(', ')}`
    case 'invalid_union':
      return alternatives(issue.errors)
    case 'invalid_format':
      return 'letters, digits, _ and -, with dots between'
    default:
      return 'something else'
  }
}

function alternatives(errors: readonly (readonly z.core.$ZodIssue[])[]): string {
  return [...new Set(errors.flatMap((option) => option.slice(0, 1).map(expectation)))].join(' or ') || 'something else'
}

function unit(origin: string): string {
  if (origin === 'string') return ' characters'
  return origin === 'array' ? ' items' : ''
}

function article(type: string): string {
  if (type === 'int') return 'a whole number'
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`
}

/** Values of headers, bodies, payloads and tokens may be secrets: their faults are told without them. */
function isPrivate(path: readonly PropertyKey[]): boolean {
  return path.some((part) => PRIVATE.has(part))
}

const PRIVATE = new Set<PropertyKey>(['set', 'add', 'body', 'data', 'values', 'prid', 'param', 'secret'])

function preview(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object'
  return String(value)
}

function pathText(path: readonly PropertyKey[]): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else text += `${text ? '.' : ''}${String(part).slice(0, 80)}`
  }
  return text
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce((inner, part) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[part], value)
}
