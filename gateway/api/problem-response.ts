import type { Context } from 'hono'
import { PROBLEMS, type Problem, problemDetails } from '../../functions/contract/problem.ts'
import type { Log } from '../observe/log.ts'

/** The store rejected: expected trouble, 503. */
export class StoreTrouble extends Error {}

/** What the store rejects with is its own trouble: 503, not a bug. */
export async function stored<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    throw new StoreTrouble('the store does not answer', { cause })
  }
}

const TYPE = { 'content-type': 'application/problem+json' }

/** RFC 9457. Retryable trouble says when to come back. */
export function problemResponse(c: Context, problem: Problem): Response {
  const { http, retry } = PROBLEMS[problem.code]
  if (retry) c.header('retry-after', '1')
  return c.body(JSON.stringify(problemDetails(problem)), http, TYPE)
}

/** A throw reaches the border: store trouble is a problem, anything else a bug, logged once. Neither shows its message. */
export function unexpected(c: Context, error: Error, log: Log): Response {
  const { method, path } = c.req
  if (error instanceof StoreTrouble) {
    log.warn('store unavailable', { method, path, error: error.cause })
    return problemResponse(c, { code: 'store.unavailable', detail: 'the store does not answer; try again' })
  }
  log.error('the API failed', { method, path, error, stack: error.stack })
  const body = { type: 'about:blank', title: 'Internal Server Error', status: 500 }
  return c.body(JSON.stringify(body), 500, TYPE)
}
