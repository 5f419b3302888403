import type { Problem, Result } from '../contract/problem.ts'

/** Octets of an invocation that are read at most: a SIP message and the context of a call, many times. */
export const MAX_INVOCATION_BYTES = 4_194_304

const TOO_LARGE: Problem = {
  code: 'request.too_large',
  detail: `an invocation has at most ${MAX_INVOCATION_BYTES} octets`,
}

/** The body as text; problem `request.too_large` when it is longer than an invocation may be. */
export async function readText(request: Request): Promise<Result<string>> {
  const length = request.headers.get('content-length') ?? ''
  if (!/^\d+$/.test(length)) return readStream(request)
  // A body is not longer than it says: whoever reads HTTP sees to that.
  return Number(length) > MAX_INVOCATION_BYTES
    ? { ok: false, problem: TOO_LARGE }
    : { ok: true, value: await request.text() }
}

async function readStream(request: Request): Promise<Result<string>> {
  const decoder = new TextDecoder()
  let text = ''
  let octets = 0
  for await (const chunk of request.body ?? []) {
    octets += chunk.byteLength
    if (octets > MAX_INVOCATION_BYTES) return { ok: false, problem: TOO_LARGE }
    text += decoder.decode(chunk, { stream: true })
  }
  return { ok: true, value: text + decoder.decode() }
}
