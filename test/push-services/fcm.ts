import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto'
import { schemaViolations, targetsOf, type Violation, valueViolations } from './fcm-message.ts'
import { isObject, parseJws } from './jws.ts'
import { type Answer, type Asked, type Listening, listen, type Now, type Silence } from './listener.ts'

/** Stands in for Firebase Cloud Messaging, HTTP v1, and for Google's OAuth 2.0 token endpoint. README.md names the documents. */

export type FcmToken = 'registered' | 'unregistered' | 'other sender'
export type FcmTrouble =
  | keyof typeof TROUBLES
  | 'BAD_GATEWAY'
  | Silence
  | { code: keyof typeof TROUBLES; retryAfter: string }

export interface FcmOptions {
  /** registration tokens by their state; any other is no registration token at all */
  tokens?: Record<string, FcmToken>
  projectId?: string
  /** lifetime of an access token: 3600 s as Google's */
  accessTokenSeconds?: number
  now?: Now
}

export interface FcmPush {
  message: Record<string, unknown>
  /** the name in the answer */
  name: string
}

export interface Fcm extends Listening {
  /** messages taken for delivery, in their order */
  received: FcmPush[]
  /** every answer that was no 2xx: `404 UNREGISTERED`, `401 UNAUTHENTICATED`, `token: invalid_grant` */
  refused: string[]
  tokens: Map<string, FcmToken>
  /** the key file of a service account, as Google's console hands it out; `token_uri` names this stand-in */
  serviceAccount: Record<string, string>
  /** how many access tokens were handed out */
  readonly grants: number
  /** each trouble meets one request to send, in this order, before the message is looked at */
  script(...troubles: FcmTrouble[]): void
  /** the next requests with the access tokens of today get 401 */
  revokeAccessTokens(): void
}

const ERROR = 'type.googleapis.com/google.firebase.fcm.v1.FcmError'
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const GOOGLE_AUDIENCE = 'https://oauth2.googleapis.com/token'
const SCOPES = ['https://www.googleapis.com/auth/firebase.messaging', 'https://www.googleapis.com/auth/cloud-platform']
const HOUR_SECONDS = 3_600
/** "a reasonable timeframe": Google names no number. */
const SKEW_SECONDS = 300
const TROUBLES = {
  QUOTA_EXCEEDED: { http: 429, status: 'RESOURCE_EXHAUSTED', message: 'Quota exceeded.', retryAfter: '60' },
  UNAVAILABLE: { http: 503, status: 'UNAVAILABLE', message: 'The service is currently unavailable.', retryAfter: '' },
  INTERNAL: { http: 500, status: 'INTERNAL', message: 'Internal error encountered.', retryAfter: '' },
  THIRD_PARTY_AUTH_ERROR: {
    http: 401,
    status: 'UNAUTHENTICATED',
    message: 'Auth error from APNS or Web Push Service',
    retryAfter: '',
  },
} as const
const JSON_TYPE = { 'content-type': 'application/json; charset=UTF-8' }
const UNAUTHENTICATED =
  'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.'

export async function start(options: FcmOptions = {}): Promise<Fcm> {
  const { projectId = 'standin-project', accessTokenSeconds = HOUR_SECONDS, now = Date.now } = options
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const account = `push@${projectId}.iam.gserviceaccount.com`
  const keyId = randomUUID().replaceAll('-', '')
  const grants = new Map<string, { until: number; scopes: string[] }>()
  const script: FcmTrouble[] = []
  const received: FcmPush[] = []
  const refused: string[] = []
  const tokens = new Map(Object.entries(options.tokens ?? {}))
  let granted = 0

  const listening = await listen((asked) => {
    const path = asked.path.split('?')[0]
    if (path === '/token') return grant(asked)
    const project = /^\/v1\/projects\/([^/]+)\/messages:send$/.exec(path!)?.[1]
    if (!project || asked.method !== 'POST') return page(404, 'Not Found')
    return send(asked, project)
  })

  function grant(asked: Asked): Answer {
    const form = new URLSearchParams(asked.body.toString())
    const audiences = [GOOGLE_AUDIENCE, `${listening.url}/token`]
    const key = { publicKey, keyId, account }
    const problem =
      asked.method !== 'POST' ? 'invalid_request: POST only' : grantProblem(form, asked, key, audiences, now)
    if (problem) {
      const [error, error_description] = problem.split(/: (.*)/s)
      refused.push(`token: ${error}`)
      return { status: 400, headers: JSON_TYPE, body: JSON.stringify({ error, error_description }) }
    }
    const access_token = `ya29.${randomUUID()}`
    const scopes = String(parseJws(form.get('assertion')!)!.claims.scope).split(' ')
    grants.set(access_token, { until: now() + accessTokenSeconds * 1_000, scopes })
    granted++
    const body = JSON.stringify({ access_token, expires_in: accessTokenSeconds - 1, token_type: 'Bearer' })
    return { status: 200, headers: JSON_TYPE, body }
  }

  function send(asked: Asked, project: string): Answer | Silence {
    const bearer = /^Bearer (\S+)$/i.exec(asked.headers.authorization ?? '')?.[1]
    const held = grants.get(bearer ?? '')
    if (!held || held.until <= now()) return refuse(401, 'UNAUTHENTICATED', UNAUTHENTICATED)
    if (!held.scopes.some((scope) => SCOPES.includes(scope)))
      return refuse(403, 'PERMISSION_DENIED', 'Request had insufficient authentication scopes.')
    if (project !== projectId)
      return refuse(
        403,
        'PERMISSION_DENIED',
        `Permission 'cloudmessaging.messages.create' denied on resource '//cloudresourcemanager.googleapis.com/projects/${project}' (or it may not exist).`,
      )
    const trouble = script.shift()
    if (trouble === 'hang' || trouble === 'reset') return trouble
    if (trouble === 'BAD_GATEWAY') return page(502, 'Server Error')
    if (trouble) return troubled(trouble)
    return judge(asked)
  }

  function judge(asked: Asked): Answer {
    const request = jsonOf(asked.body)
    if (!isObject(request)) return invalid('Invalid JSON payload received. Expected an object.', [])
    const misfits = schemaViolations(request)
    if (misfits.length > 0) return invalid(misfits.map(({ description }) => description).join('\n'), misfits)
    const message = isObject(request.message) ? request.message : {}
    const targets = targetsOf(message)
    if (targets.length === 0) {
      const description = 'Recipient of the message is not set.'
      return invalid(description, [{ field: 'message', description }], true)
    }
    if (targets.length > 1) {
      const description = `Invalid value at 'message' (oneof), oneof field 'target' is already set. Cannot set '${targets[1]}'`
      return invalid(description, [{ field: 'message', description }])
    }
    const violations = valueViolations(message)
    if (violations.length > 0) return invalid('Request contains an invalid argument.', violations, true)
    if (typeof message.token === 'string') {
      const state = tokens.get(message.token)
      if (!state) return invalid('The registration token is not a valid FCM registration token', [], true)
      if (state === 'unregistered') return refuse(404, 'NOT_FOUND', 'Requested entity was not found.', 'UNREGISTERED')
      if (state === 'other sender') return refuse(403, 'PERMISSION_DENIED', 'SenderId mismatch', 'SENDER_ID_MISMATCH')
    }
    const isDry = (request.validateOnly ?? request.validate_only) === true
    const name = `projects/${projectId}/messages/${isDry ? 'fake_message_id' : `0:${now() * 1_000}%${received.length + 1}`}`
    if (!isDry) received.push({ message, name })
    return { status: 200, headers: JSON_TYPE, body: JSON.stringify({ name }) }
  }

  function invalid(message: string, fieldViolations: Violation[], isFcms = false): Answer {
    const badRequest = { '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations }
    const details = fieldViolations.length > 0 ? [badRequest] : []
    return refuse(400, 'INVALID_ARGUMENT', message, isFcms ? 'INVALID_ARGUMENT' : undefined, details)
  }

  function troubled(trouble: Exclude<FcmTrouble, 'BAD_GATEWAY' | Silence>): Answer {
    const code = typeof trouble === 'string' ? trouble : trouble.code
    const { http, status, message, ...usual } = TROUBLES[code]
    const retryAfter = typeof trouble === 'string' ? usual.retryAfter : trouble.retryAfter
    const answer = refuse(http, status, message, code)
    return retryAfter ? { ...answer, headers: { ...answer.headers, 'retry-after': retryAfter } } : answer
  }

  /** An error of the HTTP v1 API: google.rpc.Status in JSON. */
  function refuse(code: number, status: string, message: string, errorCode?: string, more: object[] = []): Answer {
    const details = errorCode ? [{ '@type': ERROR, errorCode }, ...more] : more
    refused.push(`${code} ${errorCode ?? status}`)
    const body = JSON.stringify({ error: { code, message, status, ...(details.length > 0 && { details }) } })
    const bearer: Record<string, string> =
      code === 401 && !errorCode ? { 'www-authenticate': 'Bearer realm="https://accounts.google.com/"' } : {}
    return { status: code, headers: { ...JSON_TYPE, ...bearer }, body }
  }

  /** What Google's front end says when no service answers. */
  function page(status: number, words: string): Answer {
    refused.push(String(status))
    const body = `<!DOCTYPE html>\n<html lang=en>\n<title>Error ${status} (${words})!!1</title>\n`
    return { status, headers: { 'content-type': 'text/html; charset=UTF-8' }, body }
  }

  return {
    ...listening,
    received,
    refused,
    tokens,
    serviceAccount: {
      type: 'service_account',
      project_id: projectId,
      private_key_id: keyId,
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      client_email: account,
      client_id: '100000000000000000001',
      token_uri: `${listening.url}/token`,
    },
    get grants() {
      return granted
    },
    script: (...troubles) => void script.push(...troubles),
    revokeAccessTokens: () => grants.clear(),
  }
}

/** @returns `error: error_description` as the token endpoint says it, undefined when the assertion is good */
function grantProblem(
  form: URLSearchParams,
  { headers }: Asked,
  key: { publicKey: KeyObject; keyId: string; account: string },
  audiences: string[],
  now: Now,
): string | undefined {
  if (!headers['content-type']?.startsWith('application/x-www-form-urlencoded'))
    return 'invalid_request: the body is application/x-www-form-urlencoded'
  const type = form.get('grant_type')
  if (type !== GRANT) return `unsupported_grant_type: Invalid grant_type: ${type ?? ''}`
  const jws = parseJws(form.get('assertion') ?? '')
  if (!jws) return 'invalid_grant: Invalid JWT: not a JWT.'
  const { iss, scope, aud, iat, exp } = jws.claims
  if (iss !== key.account) return 'invalid_grant: Invalid grant: account not found'
  const isKnown = jws.header.kid === undefined || jws.header.kid === key.keyId
  if (!isKnown || !jws.isSignedBy(key.publicKey, 'RS256')) return 'invalid_grant: Invalid JWT Signature.'
  if (!audiences.includes(String(aud))) return 'invalid_grant: Invalid JWT: Failed audience check.'
  const seconds = now() / 1_000
  const isTimely =
    Number.isInteger(iat) &&
    Number.isInteger(exp) &&
    (exp as number) - (iat as number) <= HOUR_SECONDS &&
    (iat as number) <= seconds + SKEW_SECONDS &&
    (exp as number) > seconds
  if (!isTimely)
    return 'invalid_grant: Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.'
  if (typeof scope !== 'string' || scope.trim() === '') return 'invalid_scope: Empty or missing scope not allowed.'
  return undefined
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch {
    return undefined
  }
}
