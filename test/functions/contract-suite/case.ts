import { type RouteHandler, SipRouter } from '../../../functions/sdk/index.ts'
import type { Invoke, Session } from '../session.ts'

/**
 * What holds for functions however they are invoked: cases, each a small app and what is expected of it. The apps are bundled and run
 * elsewhere as well, so nothing here may need Node.
 */

/** The parts of `node:assert/strict` that cases use. */
export interface Assert {
  equal(actual: unknown, expected: unknown, message?: string): void
  deepEqual(actual: unknown, expected: unknown, message?: string): void
  match(text: string, pattern: RegExp): void
  doesNotMatch(text: string, pattern: RegExp): void
}

/** What an app has noted, as JSON, and what its router's `onError` was told. */
export interface Told {
  notes: unknown[]
  errors: string[]
}

/** One case's app, reached in some way. */
export interface Subject {
  invoke: Invoke
  told(): Promise<Told>
}

export interface Trial extends Subject {
  /** A call. */
  s: Session
  /** Another call. */
  session(): Session
}

export interface ContractCase {
  title: string
  /** Registers the handlers; `note` keeps something for `told`. */
  app(sip: SipRouter, note: (what: unknown) => void): void
  check(trial: Trial, assert: Assert): Promise<void>
  /** Handlers may go on after their answer, which not every runtime lets them. */
  outlivesAnswer?: true
}

export interface Room {
  title: string
  cases: ContractCase[]
}

type Handler = RouteHandler<'/:domain/:user'>

/** An app with one handler for INVITE, and perhaps more. */
export function invites(handler: Handler, more?: (sip: SipRouter) => void): ContractCase['app'] {
  return (sip) => {
    sip.invite('/:domain/:user', handler)
    more?.(sip)
  }
}

/** The router of a case, below `basePath`: `GET {basePath}/told` says what it was told. */
export function routerOf({ app }: ContractCase, basePath = '', secret: string | undefined = undefined) {
  const told: Told = { notes: [], errors: [] }
  const onError = (error: unknown) => void told.errors.push((error as Error).message)
  const sip = new SipRouter({ basePath, onError, ...(secret === undefined ? {} : { secret }) })
  app(sip, (what) => void told.notes.push(what))
  sip.http.get(`${basePath}/told`, (c) => c.json(told))
  return { sip, told }
}
