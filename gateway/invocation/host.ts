import type { Invocation, Manifest } from '../../functions/contract/envelope.ts'
import type { Problem, Result } from '../../functions/contract/problem.ts'
import type { CancelSignal } from './cancellation.ts'

/** Where functions run: in this process, or behind an http(s) URL. The same JSON either way. */
export interface FunctionHost {
  readonly isInProcess?: true
  /** `GET /.well-known/rouse`. Problem `not_found`: the function has none, which is no fault. */
  manifest(): Promise<Result<Manifest>>
  /**
   * One try. Always resolves: at the latest after `timeoutMs`, and at once when `signal` aborts; a reply that comes later
   * is dropped.
   * @param path routing key, absolute and escaped, e.g. `/invite/example.com/bob` or `/on/late-fork`
   */
  invoke(path: string, invocation: Invocation, options: InvokeOptions): Promise<HostReply>
  /** Ends connections, tries under way included. */
  close(): Promise<void>
}

export interface InvokeOptions {
  /** Aborts when the answer is not wanted any more (CANCEL). */
  signal: CancelSignal | undefined
  /** Milliseconds. */
  timeoutMs: number
}

/** What came of one try. */
export type HostReply =
  /** 200; `answer` is the JSON value, not yet validated. */
  | { kind: 'answer'; answer: unknown }
  /** 204: not mine. */
  | { kind: 'none' }
  /**
   * `retry`: the same invocation may succeed when it is tried once more. `status`: the HTTP status, when there was one; `retryAfter`: its
   * header Retry-After as it came.
   */
  | { kind: 'problem'; problem: Problem; retry: boolean; status?: number; retryAfter?: string | undefined }

/** Where the manifest is (RFC 8615). */
export const MANIFEST_PATH = '/.well-known/rouse'
/** Milliseconds a manifest may take. */
export const MANIFEST_TIMEOUT_MS = 5000
/** Octets of a response body that are read at most; default of every host. 1 MiB holds 64 actions of the largest kind the contract knows, many times. */
export const MAX_RESPONSE_BYTES = 1_048_576
