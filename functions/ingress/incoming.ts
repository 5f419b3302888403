import type { Octets } from '../contract/hmac.ts'
import { textOf } from '../contract/read-body.ts'

/** One request, read: what decides about it needs nothing else. */
export interface Incoming {
  readonly url: URL
  /** Of the header, by its name in lower case; repeats are joined with a comma. */
  header(name: string): string | undefined
  /** Without its parameters, in lower case; '' when there is none. */
  readonly contentType: string
  /** The body as it was sent: what signatures are made over. */
  readonly octets: Octets
  /** The same as text. */
  readonly text: string
}

export function incomingOf(request: Request, octets: Octets): Incoming {
  const header = (name: string) => request.headers.get(name) ?? undefined
  return {
    url: new URL(request.url),
    header,
    contentType: (header('content-type') ?? '').split(';', 1)[0]!.trim().toLowerCase(),
    octets,
    text: textOf(octets),
  }
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
