import type { OnTransportFailure, TransportFailure } from './types.ts'

/** Tells the sender, never while it is still sending: it may be in the middle of setting up what it sends for. */
export function fail(failed: OnTransportFailure | undefined, failure: TransportFailure): void {
  if (failed) queueMicrotask(() => failed(failure))
}
