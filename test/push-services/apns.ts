import { generateKeyPairSync, randomUUID } from 'node:crypto'
import {
  constants,
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { headerProblem, isMessageId, payloadOf, payloadProblem, type Reason, STATUS_OF } from './apns-request.ts'
import { parseJws } from './jws.ts'
import { CA, type Listening, type Now, type Silence, TLS_FILES } from './listener.ts'

/** Stands in for the Apple Push Notification service, token-based. README.md names the documents. */

export interface ApnsDevice {
  /** the one topic that the token is for: `com.example.app`, `com.example.app.voip` */
  topic: string
  /** set: the token is no longer active since then, ms since the epoch */
  inactiveSince?: number
  /** what an inactive token hears; `Unregistered` when absent */
  reason?: 'Unregistered' | 'ExpiredToken'
}

/** `goaway`: the connection is shut down and the request was not looked at. */
export type ApnsTrouble =
  | 'TooManyRequests'
  | 'InternalServerError'
  | 'ServiceUnavailable'
  | 'Shutdown'
  | 'goaway'
  | Silence

export interface ApnsOptions {
  /** device tokens (hexadecimal) that exist; any other is a BadDeviceToken */
  devices?: Record<string, ApnsDevice>
  /** bundle IDs of the team; `com.example.app` when absent */
  bundles?: readonly string[]
  teamId?: string
  keyId?: string
  /** true: h2c, without TLS. Apple has none; for clients that cannot be given a CA */
  cleartext?: boolean
  now?: Now
}

export interface ApnsPush {
  token: string
  headers: IncomingHttpHeaders
  payload: Record<string, unknown>
  /** the apns-id of the answer */
  id: string
}

export interface Apns extends Listening {
  /** the certificate authority to trust */
  ca: string
  teamId: string
  keyId: string
  /** the signing key as Apple hands it out: the text of the .p8 file */
  signingKey: string
  /** notifications taken for delivery, in their order */
  received: ApnsPush[]
  /** every answer that was no 200: `410 Unregistered` */
  refused: string[]
  devices: Map<string, ApnsDevice>
  /** how many connections were opened so far */
  readonly connections: number
  /** each trouble meets one request, in this order, after its provider token was found good */
  script(...troubles: ApnsTrouble[]): void
  /** GOAWAY on all connections; requests under way are still answered */
  goaway(): void
}

const HOUR_MS = 3_600_000
/** "no more than once every 20 minutes" */
const TOKEN_REST_MS = 1_200_000
/** How far the clocks of provider and APNs may be apart: Apple names no number. */
const SKEW_MS = 300_000
/** "APNs allows only one stream until you post a request with a valid authentication token." */
const STREAMS_BEFORE_TOKEN = 1
const STREAMS = 1_000

export async function start(options: ApnsOptions = {}): Promise<Apns> {
  const { bundles = ['com.example.app'], teamId = 'DEF123GHIJ', keyId = 'ABC123DEFG', now = Date.now } = options
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const sessions = new Set<ServerHttp2Session>()
  const trusted = new WeakSet<ServerHttp2Session>()
  const devices = new Map(Object.entries(options.devices ?? {}))
  const script: ApnsTrouble[] = []
  const received: ApnsPush[] = []
  const refused: string[] = []
  let current: { token: string; since: number } | undefined
  let connections = 0

  const settings: ServerOptions = { settings: { maxConcurrentStreams: STREAMS_BEFORE_TOKEN } }
  const server: Http2Server | Http2SecureServer = options.cleartext
    ? createServer(settings)
    : createSecureServer({ ...settings, ...TLS_FILES })
  server.on('session', (session) => {
    connections++
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
    session.on('error', () => sessions.delete(session))
  })
  const onStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: string[]) => {
    stream.on('error', () => stream.close())
    buffer(stream).then(
      (body) => serve(stream, headers, raw, body),
      () => stream.close(),
    )
  }
  // The types know nothing of the fourth argument: names and values in turns, as they came.
  server.on('stream', onStream as never)

  function serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: string[], body: Buffer): void {
    if (stream.destroyed) return
    const header = (name: string) => headers[name] as string | undefined
    const asked = header('apns-id')
    const id = asked && isMessageId(asked) ? asked : randomUUID()
    const refuse = (reason: Reason, more: object = {}) => {
      refused.push(`${STATUS_OF[reason]} ${reason}`)
      stream.respond({ ':status': STATUS_OF[reason], 'apns-id': id, 'content-type': 'application/json' })
      stream.end(JSON.stringify({ reason, ...more }))
    }
    if (headers[':method'] !== 'POST') return refuse('MethodNotAllowed')
    const token = /^\/3\/device\/([^/?]*)$/.exec(headers[':path'] ?? '')?.[1]
    if (token === undefined) return refuse('BadPath')
    const problem = hasDuplicates(raw) ? 'DuplicateHeaders' : tokenProblem(header('authorization'))
    if (problem) return refuse(problem)
    trust(stream.session as ServerHttp2Session)
    const trouble = script.shift()
    if (trouble === 'hang') return
    if (trouble === 'reset') return void stream.session?.destroy()
    if (trouble === 'goaway') return leave(stream.session as ServerHttp2Session, stream.id! - 2)
    if (trouble) {
      refuse(trouble)
      if (trouble === 'Shutdown') leave(stream.session as ServerHttp2Session, stream.id!)
      return
    }
    const pushType = header('apns-push-type') ?? ''
    const fault =
      headerProblem(header, bundles) ?? payloadProblem(body, pushType) ?? deviceProblem(token, header('apns-topic')!)
    if (fault) {
      const since = devices.get(token.toLowerCase())?.inactiveSince
      return refuse(fault, STATUS_OF[fault] === 410 ? { timestamp: since } : {})
    }
    received.push({ token, headers, payload: payloadOf(body)!, id })
    stream.respond({ ':status': 200, 'apns-id': id })
    stream.end()
  }

  /** Once for a connection: a client that has much to do would not confirm as many settings as it makes requests. */
  function trust(session: ServerHttp2Session): void {
    if (trusted.has(session)) return
    trusted.add(session)
    session.settings({ maxConcurrentStreams: STREAMS })
  }

  function tokenProblem(authorization: string | undefined): Reason | undefined {
    const token = /^bearer (\S+)$/i.exec(authorization ?? '')?.[1]
    if (!token) return 'MissingProviderToken'
    const jws = parseJws(token)
    const isOurs = jws && jws.header.kid === keyId && jws.claims.iss === teamId && jws.isSignedBy(publicKey, 'ES256')
    if (!isOurs || !Number.isInteger(jws.claims.iat)) return 'InvalidProviderToken'
    const issuedAt = (jws.claims.iat as number) * 1_000
    if (issuedAt > now() + SKEW_MS) return 'InvalidProviderToken'
    if (issuedAt < now() - HOUR_MS) return 'ExpiredProviderToken'
    if (token === current?.token) return undefined
    if (current && now() - current.since < TOKEN_REST_MS) return 'TooManyProviderTokenUpdates'
    current = { token, since: now() }
    return undefined
  }

  function deviceProblem(token: string, topic: string): Reason | undefined {
    if (token === '') return 'MissingDeviceToken'
    const device = /^[\da-f]+$/i.test(token) ? devices.get(token.toLowerCase()) : undefined
    if (!device) return 'BadDeviceToken'
    if (device.topic !== topic) return 'DeviceTokenNotForTopic'
    return device.inactiveSince === undefined ? undefined : (device.reason ?? 'Unregistered')
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `${options.cleartext ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ca: CA,
    teamId,
    keyId,
    signingKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    received,
    refused,
    devices,
    get connections() {
      return connections
    },
    script: (...troubles) => void script.push(...troubles),
    goaway: () => {
      for (const session of sessions) leave(session)
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const session of sessions) session.destroy()
      }),
  }
}

/** @param last the last stream that was looked at: the client may repeat what came after it */
function leave(session: ServerHttp2Session, last?: number): void {
  const words = Buffer.from(JSON.stringify({ reason: 'Shutdown' }))
  session.goaway(constants.NGHTTP2_NO_ERROR, last, words)
  session.close()
}

/** @param raw names and values in turns, as they came */
function hasDuplicates(raw: string[]): boolean {
  const names = raw
    .filter((_, at) => at % 2 === 0)
    .filter((name) => name.startsWith('apns-') || name === 'authorization')
  return new Set(names).size < names.length
}
