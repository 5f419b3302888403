import type { Credentials, InvocationData } from '../contract/envelope.ts'
import { invocationPath, userText } from '../contract/path.ts'
import { aorOf, parseUri } from '../contract/uri/uri.ts'

/** Who calls, and with what. */
export interface RequestOptions {
  /** The caller: a URI, or a whole From value. Default `"Alice" <sip:alice@example.com>`; of a REGISTER, the user who registers. */
  from?: string
  /** Default the Request-URI; of a REGISTER, the user who registers. */
  to?: string
  /** URI of the caller's own phone; default `sip:alice@192.0.2.1:5060`. Of a REGISTER: the contact that is registered. */
  contact?: string
  /** Further headers, in order, with repeats. */
  headers?: Readonly<Record<string, string>> | readonly (readonly [string, string])[]
  body?: string
  /** Default `call-1@simulated`, and so on. */
  callId?: string
  /** Seconds a REGISTER asks for, 0 to take its contact out; default 3600. */
  expires?: number
  /** Where the request came from; default `192.0.2.1:5060` over UDP, without a NAT. */
  received?: Partial<InvocationData['received']>
  /**
   * Digest credentials. Name and password prove themselves with SHA-256 and a nonce of this gateway (`realm`: default the domain that is
   * asked); everything else, a stale nonce say, is given as the contract has it.
   */
  auth?: { username: string; password: string; realm?: string } | Credentials
}

/** A request as invocations tell it. */
export interface SimulatedRequest {
  request: InvocationData['request']
  received: InvocationData['received']
  auth: Credentials | undefined
  callId: string
  path: string
  /** Seconds, of a REGISTER. */
  expires: number
}

/** @throws TypeError when `uri` is no SIP or tel URI */
export async function requestOf(
  method: string,
  uri: string,
  options: RequestOptions,
  { callId, isLocal }: { callId: string; isLocal(host: string): boolean },
): Promise<SimulatedRequest> {
  const isRegister = method === 'REGISTER'
  const parsed = parseUri(uri)
  if (!parsed) throw new TypeError(`${method}: expected a URI such as sip:bob@example.com, got "${uri}"`)
  const from = nameAddr(options.from ?? (isRegister ? uri : '"Alice" <sip:alice@example.com>'))
  const to = nameAddr(options.to ?? uri)
  const subject = isRegister ? (parseUri(uriIn(to)) ?? parsed) : parsed
  const contact = options.contact ?? 'sip:alice@192.0.2.1:5060'
  const { body = '', expires = 3600 } = options
  const request: InvocationData['request'] = {
    method,
    uri: isRegister ? `sip:${parsed.host}` : uri,
    aor: isRegister ? aorOf(uriIn(to)) : aorOf(uri),
    isLocal: isLocal(subject.host),
    from: from.includes(';tag=') ? from : `${from};tag=a1`,
    to,
    contact,
    cseq: 1,
    maxForwards: 70,
    headers: [],
    body,
  }
  request.headers = [
    ['Via', 'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1'],
    ['Max-Forwards', '70'],
    ['From', request.from],
    ['To', to],
    ['Call-ID', options.callId ?? callId],
    ['CSeq', `1 ${method}`],
    ['Contact', `<${contact}>`],
    ...(isRegister ? [['Expires', String(expires)] as [string, string]] : []),
    ...headerList(options.headers),
  ]
  const received = {
    address: '192.0.2.1',
    port: 5060,
    transport: 'udp',
    local: '192.0.2.250:5060',
    nat: false,
  } as const
  return {
    request,
    received: { ...received, ...options.received },
    auth: options.auth && (await credentialsOf(options.auth, request, subject.host)),
    callId: options.callId ?? callId,
    path: invocationPath(method, subject.host, userText(subject.user)),
    expires,
  }
}

function headerList(headers: RequestOptions['headers'] = []): [string, string][] {
  const entries = Array.isArray(headers) ? (headers as readonly (readonly [string, string])[]) : Object.entries(headers)
  return entries.map(([name, value]) => [name, value])
}

function nameAddr(text: string): string {
  return text.includes('<') ? text : `<${text}>`
}

function uriIn(value: string): string {
  return /<([^>]*)>/.exec(value)?.[1] ?? value
}

async function credentialsOf(
  auth: NonNullable<RequestOptions['auth']>,
  { method, uri }: InvocationData['request'],
  host: string,
): Promise<Credentials> {
  if (!('password' in auth)) return auth
  const { username, password, realm = host } = auth
  const [nonce, nc, cnonce, qop] = ['simulated', '00000001', 'c1', 'auth']
  const ha1 = await sha256(`${username}:${realm}:${password}`)
  const response = await sha256(`${ha1}:${nonce}:${nc}:${cnonce}:${qop}:${await sha256(`${method}:${uri}`)}`)
  const params = { username, realm, nonce, uri, nc, cnonce, qop, algorithm: 'SHA-256', response }
  return { scheme: 'Digest', proxy: method !== 'REGISTER', nonceState: 'valid', params }
}

/** In hex. */
async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return [...new Uint8Array(digest)].map((octet) => octet.toString(16).padStart(2, '0')).join('')
}
