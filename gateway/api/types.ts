import type { Binding } from '../../functions/store/store.ts'

/** What the API asks of the rest of the gateway: small views, so that the API knows nothing of transactions or stores. */

/** One call as people see it; plain JSON. Never a push token, never a body. */
export interface CallSummary {
  /** Of the transaction. */
  id: string
  /** SIP Call-ID. */
  callId: string
  method: string
  from: string
  to: string
  /** `proceeding`, `suspended`, `answered`, `ended`, … */
  state: string
  /** ISO time. */
  startedAt: string
}

/** The same with what it waits for and what happened, in order; further fields are shown as they are. */
export interface CallDetail extends CallSummary {
  branches: readonly object[]
  /** Live waits and subscriptions. */
  waiting: readonly object[]
  timeline: readonly object[]
}

export interface Calls {
  /** Newest first, at most `limit`. */
  list(limit: number): readonly CallSummary[] | Promise<readonly CallSummary[]>
  /** By the transaction's id or by Call-ID. */
  get(id: string): CallDetail | undefined | Promise<CallDetail | undefined>
}

/** The location service, read only: `Store` fits as it is. */
export interface Registrations {
  registrations(cursor: string, limit: number): Promise<{ bindings: Binding[]; cursor: string }>
  lookup(aor: string): Promise<{ bindings: Binding[] }>
}

/** Takes `POST /events` and `POST /events/<mapping>`, whoever asks. */
export interface Events {
  /** @param address of who asks; '' when it is not known */
  receive(request: Request, address: string): Promise<Response>
}

export interface Health {
  /**
   * Ready for calls: what is not, by name, is the reason. `withoutStore`: also while the store is away, when a gateway still routes, for
   * whoever would otherwise leave callers without any gateway.
   */
  ready(asked: { withoutStore: boolean }): { ready: boolean; checks: Record<string, string> }
}
