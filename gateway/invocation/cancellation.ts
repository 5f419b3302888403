/** What an invocation needs of an AbortSignal; every AbortSignal is one. */
export interface CancelSignal {
  readonly aborted: boolean
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** A CANCEL that may come: an AbortController for the hot path, where almost none ever does. */
export class Cancellation implements CancelSignal {
  aborted = false
  #listeners: (() => void)[] | undefined

  cancel(): void {
    if (this.aborted) return
    this.aborted = true
    for (const listener of this.#listeners ?? []) listener()
    this.#listeners = undefined
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners ??= []
    this.#listeners.push(listener)
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners = this.#listeners?.filter((each) => each !== listener)
  }
}

/** The real thing, for who needs one. */
export function abortSignalOf(signal: CancelSignal): AbortSignal {
  if (signal instanceof AbortSignal) return signal
  const controller = new AbortController()
  if (signal.aborted) controller.abort()
  else signal.addEventListener('abort', () => controller.abort())
  return controller.signal
}
