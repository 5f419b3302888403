import type { Octets } from './hmac.ts'
import type { Result } from './problem.ts'

/** Reads a body of at most `limit` octets as text; one that is longer is not read to its end. Problem `request.too_large`. */
export async function readBody(body: Request | Response, limit: number): Promise<Result<string>> {
  const read = await readOctets(body, limit)
  return read.ok ? { ok: true, value: textOf(read.value) } : read
}

/** As `readBody`, but as it was sent. */
export async function readOctets(body: Request | Response, limit: number): Promise<Result<Octets>> {
  if (Number(body.headers.get('content-length')) > limit) return tooLarge(limit)
  const reader = body.body?.getReader()
  const chunks: Uint8Array[] = []
  let length = 0
  for (let read = await reader?.read(); read && !read.done; read = await reader!.read()) {
    length += read.value.length
    if (length > limit) {
      void reader!.cancel().catch(() => undefined)
      return tooLarge(limit)
    }
    chunks.push(read.value)
  }
  return { ok: true, value: together(chunks, length) }
}

/** What is no UTF-8 becomes U+FFFD; a byte order mark stays. */
export function textOf(octets: Octets): string {
  return decoder.decode(octets)
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

function together(chunks: readonly Uint8Array[], length: number): Octets {
  const octets = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    octets.set(chunk, at)
    at += chunk.length
  }
  return octets
}

function tooLarge(limit: number): Result<never> {
  return { ok: false, problem: { code: 'request.too_large', detail: `the body may have ${limit} octets` } }
}
