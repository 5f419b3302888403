import { PROBLEMS, type Problem, problemDetails } from './problem.ts'

/** A problem as an answer over HTTP (RFC 9457): what servers without the objects of `fetch` need of it. */
export function problemReply(problem: Problem): { status: number; headers: Record<string, string>; body: string } {
  return {
    status: PROBLEMS[problem.code].http,
    headers: { 'content-type': 'application/problem+json' },
    body: JSON.stringify(problemDetails(problem)),
  }
}

/** The same for those that have them. */
export function problemResponse(problem: Problem, more: Record<string, string> = {}): Response {
  const { status, headers, body } = problemReply(problem)
  return new Response(body, { status, headers: { ...headers, ...more } })
}
