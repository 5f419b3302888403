import type { Result } from '../../functions/contract/problem.ts'

/** Reads a body of at most `limit` octets as text; one that is longer is not read to its end. Problem `request.too_large`. */
export async function readBody(request: Request, limit: number): Promise<Result<string>> {
  const read = await readOctets(request, limit)
  return read.ok ? { ok: true, value: read.value.toString('utf8') } : read
}

/** As `readBody`, but as it was sent. */
export async function readOctets(request: Request, limit: number): Promise<Result<Buffer>> {
  if (Number(request.headers.get('content-length')) > limit) return tooLarge(limit)
  const reader = request.body?.getReader()
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
  return { ok: true, value: Buffer.concat(chunks) }
}

function tooLarge(limit: number): Result<never> {
  return { ok: false, problem: { code: 'request.too_large', detail: `the body may have ${limit} octets` } }
}
