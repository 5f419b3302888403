import type { Invocation, Manifest } from '../../../functions/contract/envelope.ts'
import type { Result } from '../../../functions/contract/problem.ts'
import type { HostReply } from '../../invocation/host.ts'

/** What the session and a thread of functions say to each other. */

/** As the thread begins. */
export interface ThreadData {
  /** Absolute path of the app. */
  file: string
}

export type ToThread =
  | { kind: 'manifest'; id: number }
  | { kind: 'invoke'; id: number; path: string; invocation: Invocation; timeoutMs: number }
  | { kind: 'abort'; id: number }

export type FromThread =
  /** A file that the app is made of, or would be if it were there. */
  | { kind: 'file'; file: string }
  | { kind: 'ready' }
  | { kind: 'failed'; message: string }
  | { kind: 'manifest'; id: number; manifest: Result<Manifest> }
  | { kind: 'reply'; id: number; reply: HostReply }
  /** Something that the app has thrown outside of any invocation. */
  | { kind: 'stray'; message: string }
