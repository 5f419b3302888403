import type { Clock } from './clock.ts'

/** Rejects when it takes longer; whatever hears the signal is stopped. */
export async function bounded<T>(
  clock: Clock,
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
  late: () => void = () => {},
): Promise<T> {
  const controller = new AbortController()
  let timer: { cancel(): void } | undefined
  const tooLong = new Promise<never>((_, reject) => {
    timer = clock.after(ms, () => {
      late()
      reject(new Error(`no answer within ${ms} ms`))
      controller.abort()
    })
  })
  try {
    return await Promise.race([work(controller.signal), tooLong])
  } finally {
    timer?.cancel()
  }
}
