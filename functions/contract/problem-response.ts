import { PROBLEMS, type Problem, problemDetails } from './problem.ts'

/** A problem as the body of a response (RFC 9457). */
export function problemResponse(problem: Problem, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(problemDetails(problem)), {
    status: PROBLEMS[problem.code].http,
    headers: { 'content-type': 'application/problem+json', ...headers },
  })
}
