import type { Octets } from '../contract/hmac.ts'
import type { Result } from '../contract/problem.ts'
import { readOctets, textOf } from '../contract/read-body.ts'

/** One request: what decides about it needs nothing else. */
export interface Incoming {
  readonly url: URL
  /** Of the header, by its name in lower case; repeats are joined with a comma. */
  header(name: string): string | undefined
  /** Without its parameters, in lower case; '' when there is none. */
  readonly contentType: string
  /** Read when somebody first needs it: nothing is read of a stranger who could have shown who he is without. Problem `request.too_large`. */
  body(): Promise<Result<Body>>
}

export interface Body {
  /** As it was sent: what signatures are made over. */
  octets: Octets
  text: string
}

/** @param bodyLimit octets */
export function incomingOf(request: Request, bodyLimit: number): Incoming {
  const header = (name: string) => request.headers.get(name) ?? undefined
  let body: Promise<Result<Body>> | undefined
  return {
    url: new URL(request.url),
    header,
    contentType: (header('content-type') ?? '').split(';', 1)[0]!.trim().toLowerCase(),
    body() {
      body ??= read(request, bodyLimit)
      return body
    },
  }
}

async function read(request: Request, bodyLimit: number): Promise<Result<Body>> {
  const octets = await readOctets(request, bodyLimit)
  return octets.ok ? { ok: true, value: { octets: octets.value, text: textOf(octets.value) } } : octets
}

/** What no web page can send to another origin without asking first: a form or plain text it can. */
export function isJsonType(contentType: string): boolean {
  return /^application\/([\w.-]+\+)?json$/.test(contentType)
}

/** `undefined` when it is no JSON. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
