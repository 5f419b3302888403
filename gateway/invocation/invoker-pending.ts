import type { Clock, Timer } from '../../functions/contract/clock.ts'
import type { CancelSignal } from './cancellation.ts'
import type { HostReply, InvokeOptions } from './host.ts'

/**
 * The reply of one try: settled once, by the function, the deadline or the abort, whichever comes first. Timer and abort
 * listener exist only after `watch`, so that a function that answers at once costs neither.
 */
export class PendingReply {
  readonly promise: Promise<HostReply>
  settled = false
  /** Called when the deadline or the abort has won: stop the work. */
  giveUp: ((why: 'late' | 'unwanted') => void) | undefined
  #resolve!: (reply: HostReply) => void
  #timer: Timer | undefined
  #signal: CancelSignal | undefined
  #onAbort: (() => void) | undefined

  constructor() {
    this.promise = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  /** Only the first call counts. */
  settle(reply: HostReply): void {
    if (this.settled) return
    this.settled = true
    this.#timer?.cancel()
    if (this.#onAbort) this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#resolve(reply)
  }

  /** From now on the deadline and the signal count. */
  watch(clock: Clock, { signal, timeoutMs }: InvokeOptions): void {
    if (signal?.aborted) return this.#stop(aborted(), 'unwanted')
    this.#timer = clock.after(timeoutMs, () => this.#stop(timedOut(timeoutMs), 'late'))
    if (!signal) return
    this.#signal = signal
    this.#onAbort = () => this.#stop(aborted(), 'unwanted')
    signal.addEventListener('abort', this.#onAbort)
  }

  #stop(reply: HostReply, why: 'late' | 'unwanted'): void {
    if (this.settled) return
    this.settle(reply)
    this.giveUp?.(why)
  }
}

export function timedOut(timeoutMs: number): HostReply {
  const detail = `the function did not answer within ${timeoutMs} ms`
  return { kind: 'problem', problem: { code: 'handler.timeout', detail }, retry: true }
}

function aborted(): HostReply {
  const detail = 'the request was cancelled while the function was running; its answer is dropped'
  return { kind: 'problem', problem: { code: 'transaction.gone', detail }, retry: false }
}
