import { PROBLEMS, type Problem, type ProblemCode } from '../contract/problem.ts'

/** A problem as it is thrown at a developer: one stable code, the HTTP status to answer with, and where in a value the fault is. */
export class RouseError extends Error {
  readonly code: ProblemCode
  readonly status: number
  /** JSON pointer (RFC 6901). */
  readonly pointer: string | undefined

  constructor({ code, detail, pointer }: Problem, options?: ErrorOptions) {
    super(detail, options)
    this.name = 'RouseError'
    this.code = code
    this.status = PROBLEMS[code].http
    this.pointer = pointer
  }
}
