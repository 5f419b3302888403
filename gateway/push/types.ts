import type { PushMessage, PushResult } from '../../functions/contract/push.ts'
import type { Binding } from '../../functions/store/store.ts'

/** Sends one push: in process or behind PUSH_URL. Always resolves. */
export interface PushSender {
  send(message: PushMessage): Promise<PushResult>
}

/** One device that is to be woken, or told. */
export interface PushJob extends Pick<PushMessage, 'purpose' | 'reason' | 'call' | 'data' | 'ttlSeconds'> {
  /** As last read; it has push parameters. */
  binding: Binding
  /** Call-ID of the call or request that it is for; absent: it is for none. It does not go out. */
  callId?: string
  /** Who causes it, for the limit of pushes per caller; absent: nobody but the router. */
  caller?: string
  /** Milliseconds since the epoch: until then what has failed is tried again, by the rules of the provider. */
  until: number
  /** Asked before every try; false: nobody wants it any more. Default: it is wanted. */
  isWanted?(): boolean
}

/** `limited`: this AOR or caller has had too many. `unwanted`: `isWanted` said so before it went out. */
export type PushOutcome = PushResult['outcome'] | 'limited' | 'unwanted'

/** What became of a push, after the last try. */
export interface Pushed {
  outcome: PushOutcome
  /** For people: no token in it. */
  error?: string
}

/** Sends pushes by the rules: limits, retries, what a dead token means for its binding, events and counters. */
export interface Pusher {
  /** Always resolves. */
  push(job: PushJob): Promise<Pushed>
}
