import type { LambdaEvent } from 'hono/aws-lambda'
import { invocationPath, userText } from '../contract/path.ts'
import { parseUri } from '../contract/uri/uri.ts'

/**
 * Function URLs, REST APIs and ALBs hand on the path as it was sent. An HTTP API hands on what is left when its escapes are resolved
 * (https://github.com/honojs/hono/issues/2156): `/invite/example.com/a%2Fb` has become `/invite/example.com/a/b`, of `what%3Fnow` only
 * `what` is left. And where its stage has a name, the path begins with it.
 */

/** What of an event says where it comes from. */
interface Parts {
  version?: string
  rawPath?: string
  path?: string
  body?: string | null
  isBase64Encoded?: boolean
  requestContext?: { domainName?: string; stage?: string }
}

/** The event, with the path that was sent: for an invocation it is known from the body, whose URI is the authority. */
export function pathAsSent(event: LambdaEvent): LambdaEvent {
  const parts = event as Parts
  if (!isOfHttpApi(parts)) return event
  const field = parts.rawPath === undefined ? 'path' : 'rawPath'
  const path = withoutStage(parts[field] ?? '/', parts.requestContext?.stage)
  return { ...event, [field]: invokedPath(path, parts) ?? escaped(path) } as LambdaEvent
}

/** Payload 2.0, which Function URLs have too, or payload 1.0, which unlike a REST API's has a version. */
function isOfHttpApi({ version, rawPath, requestContext }: Parts): boolean {
  const isFunctionUrl = /\.lambda-url\./.test(requestContext?.domainName ?? '')
  return version === '1.0' || (rawPath !== undefined && !isFunctionUrl)
}

function withoutStage(path: string, stage = '$default'): string {
  if (stage === '$default' || !`${path}/`.startsWith(`/${stage}/`)) return path
  return path.slice(stage.length + 1) || '/'
}

/** Undefined when it is no invocation, or comes under a path that its URI does not explain. */
function invokedPath(path: string, event: Parts): string | undefined {
  const { method, uri, aor } = requestOf(event) ?? {}
  if (typeof method !== 'string') return undefined
  for (const candidate of [uri, aor]) {
    const parsed = typeof candidate === 'string' ? parseUri(candidate.toWellFormed()) : undefined
    if (!parsed) continue
    const sent = invocationPath(method, parsed.host, userText(parsed.user))
    const received = decoded(sent)
    if (path.endsWith(received)) return escaped(path.slice(0, -received.length)) + sent
  }
  return undefined
}

function requestOf({ body, isBase64Encoded }: Parts): { method?: unknown; uri?: unknown; aor?: unknown } | undefined {
  try {
    const text = isBase64Encoded ? Buffer.from(body ?? '', 'base64').toString() : (body ?? '')
    return JSON.parse(text)?.data?.request
  } catch {
    return undefined
  }
}

/** What an HTTP API makes of a path. */
function decoded(path: string): string {
  return decodeURIComponent(path).split('?', 1)[0]!
}

/** What cannot stand in a path is escaped again; an escape that is left is one. */
function escaped(path: string): string {
  return path.replace(/%(?![0-9A-Fa-f]{2})|[^\w\-.~!$&'()*+,;=:@/%]+/g, (text) =>
    encodeURIComponent(text.toWellFormed()),
  )
}
