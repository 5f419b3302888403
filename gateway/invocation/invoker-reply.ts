import { PROBLEMS, type Problem, type ProblemCode } from '../../functions/contract/problem.ts'
import type { HostReply } from './host.ts'

/** More lines than a function of ours writes. */
const MAX_DIFF_LINES = 64

/**
 * What the status of a function's response means (contract 1).
 * @param body its parsed JSON; undefined when it has none
 * @param retryAfter its header Retry-After
 */
export function replyOfStatus(status: number, body: unknown, retryAfter?: string): HostReply {
  if (status === 200) return { kind: 'answer', answer: body }
  if (status === 204) return { kind: 'none' }
  const problem = statusProblem(status, body)
  const retry = isRetried(status) || problem.code === 'request.replayed'
  const reply = { kind: 'problem', problem, retry, status } as const
  return retryAfter === undefined ? reply : { ...reply, retryAfter }
}

/** An answer that is not even JSON, or breaks a bound. */
export function invalidAnswer(detail: string): HostReply {
  return { kind: 'problem', problem: { code: 'handler.invalid_answer', detail }, retry: true }
}

/** The function, or the way to it, is away. */
export function unreachable(detail: string): HostReply {
  return { kind: 'problem', problem: { code: 'handler.unreachable', detail }, retry: true }
}

/** The function is not asked, since it has failed too often a moment ago. */
export const CIRCUIT_OPEN: HostReply = refused(
  'handler.circuit_open',
  'it has failed too often and is left alone for a while',
)

/** The function is not asked, since too many ask it. */
export function overloaded(detail: string): HostReply {
  return refused('handler.overloaded', detail)
}

function refused(code: ProblemCode, detail: string): HostReply {
  return { kind: 'problem', problem: { code, detail }, retry: false }
}

/** An answer that nobody can tell who gave it. */
export function unsigned(detail: string): HostReply {
  return { kind: 'problem', problem: { code: 'handler.unsigned', detail }, retry: true }
}

/** A function in process threw, which an HTTP server would have made a 500. */
export function threw(error: unknown): HostReply {
  return {
    kind: 'problem',
    problem: { code: 'handler.threw', detail: `the function threw ${described(error)}` },
    retry: true,
  }
}

/** Whether `contentType` is JSON: `application/json` or any `+json`. */
export function isJson(contentType: string): boolean {
  const end = contentType.indexOf(';')
  const type = (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase()
  return type === 'application/json' || type.endsWith('+json')
}

/** Reads a body as JSON; a reply when it is none. */
export function parsedJson(text: string): { value: unknown } | HostReply {
  try {
    return { value: JSON.parse(text) }
  } catch (error) {
    return invalidAnswer(`expected JSON, got ${text.length} characters that are none: ${described(error)}`)
  }
}

/** An error in one line, with the place in the function's own code where it was thrown, or where it cannot be read. */
export function described(error: unknown): string {
  if (!(error instanceof Error)) return oneLine(String(error))
  const place = placeOf(error)
  return oneLine(`${error.name}: ${error.message}${place && ` at ${place}`}`)
}

/** Before the message of a syntax error stands where it is; otherwise the call nearest to it that is the function's own. */
function placeOf({ stack = '', name }: Error): string {
  const lines = stack.split('\n')
  if (!lines[0]!.startsWith(name) && /:\d+$/.test(lines[0]!)) return lines[0]!
  const own = lines.find((line) => /^\s+at .*:\d+:\d+\)?$/.test(line) && !/node_modules|\(node:/.test(line))
  return own?.trim().replace(/^at /, '') ?? ''
}

/** RFC 9110: 408, 429 and 5xx may pass; a redirect is not followed, since a function that has moved is a setting to change. */
function isRetried(status: number): boolean {
  return status === 408 || status === 429 || status >= 500 || (status > 200 && status < 300)
}

function statusProblem(status: number, body: unknown): Problem {
  const own = ownProblem(body)
  if (own) return own
  if (status < 300) return { code: 'handler.invalid_answer', detail: `expected status 200 or 204, got ${status}` }
  if (status < 400) {
    return { code: 'handler.refused', detail: `expected an answer, got redirect ${status}: set the function's own URL` }
  }
  return { code: isRetried(status) ? 'handler.status' : 'handler.refused', detail: `the function answered ${status}` }
}

/** The function's own words, when its body is problem details (RFC 9457) under one of our codes. */
function ownProblem(body: unknown): Problem | undefined {
  if (typeof body !== 'object' || body === null) return undefined
  const { title, detail, pointer, diff } = body as Record<string, unknown>
  if (typeof title !== 'string' || !Object.hasOwn(PROBLEMS, title)) return undefined
  return {
    code: title as ProblemCode,
    detail: typeof detail === 'string' ? oneLine(detail) : `the function answered ${title}`,
    ...(typeof pointer === 'string' ? { pointer: oneLine(pointer) } : {}),
    ...(Array.isArray(diff) ? { diff: diff.slice(0, MAX_DIFF_LINES).map((line) => oneLine(String(line))) } : {}),
  }
}

function oneLine(text: string): string {
  return text.slice(0, 500).replaceAll(/[\u0000-\u001f\u007f]+/g, ' ')
}
