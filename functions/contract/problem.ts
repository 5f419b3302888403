/**
 * Trouble that crosses a border, under one stable code.
 * `retry`: whether the same invocation may be tried once more inside its budget.
 */
export const PROBLEMS = {
  'handler.timeout': { sip: 503, http: 504, retry: true },
  'handler.unreachable': { sip: 503, http: 502, retry: true },
  'handler.status': { sip: 503, http: 502, retry: true },
  'handler.refused': { sip: 503, http: 502, retry: false },
  'handler.invalid_answer': { sip: 503, http: 502, retry: true },
  'handler.unsigned': { sip: 503, http: 502, retry: true },
  'handler.unknown': { sip: 503, http: 404, retry: false },
  /** Not asked: it has failed too often a moment ago. */
  'handler.circuit_open': { sip: 503, http: 503, retry: false },
  /** Not asked: as many as may be are asking it, and wait to. */
  'handler.overloaded': { sip: 503, http: 503, retry: false },
  'handler.threw': { sip: 500, http: 500, retry: true },
  'replay.diverged': { sip: 500, http: 409, retry: false },
  'request.invalid': { sip: 400, http: 400, retry: false },
  'request.unauthorized': { sip: 401, http: 401, retry: false },
  'request.replayed': { sip: 503, http: 409, retry: true },
  /** The same is being done for somebody who asked a moment ago. */
  'request.in_progress': { sip: 503, http: 409, retry: true },
  'request.rate_limited': { sip: 503, http: 429, retry: true },
  'request.too_large': { sip: 513, http: 413, retry: false },
  'transaction.gone': { sip: 481, http: 410, retry: false },
  /** A fork asks for relayed media, and the gateway knows no rtpengine. */
  'media.unavailable': { sip: 503, http: 503, retry: false },
  'not_found': { sip: 404, http: 404, retry: false },
  'store.unavailable': { sip: 503, http: 503, retry: true },
  /** Somebody else has to be asked first, and does not answer. */
  'upstream.unavailable': { sip: 503, http: 503, retry: true },
} as const

export type ProblemCode = keyof typeof PROBLEMS

export interface Problem {
  code: ProblemCode
  /** What is wrong and what to do about it, for people. */
  detail: string
  /** JSON pointer (RFC 6901) to the fault, where a JSON body has one. */
  pointer?: string
  /** Of `replay.diverged`, a line a step: `- 2 push …` was done before, `+ 2 halt …` would be done now. */
  diff?: readonly string[]
}

export type Result<T, E = Problem> = { ok: true; value: T } | { ok: false; problem: E }

/** The RFC 9457 body of a problem. */
export function problemDetails(problem: Problem): Record<string, unknown> {
  return {
    type: `urn:rouse:problem:${problem.code}`,
    title: problem.code,
    status: PROBLEMS[problem.code].http,
    detail: problem.detail,
    ...(problem.pointer === undefined ? {} : { pointer: problem.pointer }),
    ...(problem.diff === undefined ? {} : { diff: problem.diff }),
  }
}
