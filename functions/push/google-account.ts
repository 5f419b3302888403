import { importPKCS8, SignJWT } from 'jose'
import { bounded } from '../contract/bounded.ts'
import type { Clock } from '../contract/clock.ts'
import { DEFAULT_TIMEOUT_MS, PushError } from './deadline.ts'
import { failed, retryAfter } from './outcome.ts'
import { Renewed } from './renewed.ts'

/** What of a service account's JSON, as Google gives it out, is used. */
export interface ServiceAccount {
  project_id: string
  client_email: string
  /** PEM, PKCS #8. */
  private_key: string
  private_key_id?: string
  token_uri: string
}

export const GOOGLE_TOKEN_URI = 'https://oauth2.googleapis.com/token'
const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging'
/** How long an assertion holds: the most Google takes. */
const ASSERTION_SECONDS = 3600
/** An access token is renewed so long before it expires. */
const RENEW_BEFORE_MS = 300_000

interface TokenAnswer {
  access_token?: unknown
  /** Seconds. */
  expires_in?: unknown
  error?: unknown
}

export interface GoogleParts {
  clock: Clock
  fetch: typeof fetch
}

/** An OAuth access token of the account, kept until shortly before it expires. Runs wherever fetch and WebCrypto do. */
export function accessToken(account: ServiceAccount, { clock, fetch }: GoogleParts): Renewed {
  return new Renewed(clock, async () => {
    const now = clock.now()
    const body = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion: await assertion(account, Math.floor(now / 1000)),
    })
    // Other pushes wait for it too: no single one's deadline ends it.
    const { response, answer } = await bounded(clock, DEFAULT_TIMEOUT_MS, async (signal) => {
      const response = await fetch(account.token_uri, { method: 'POST', redirect: 'manual', body, signal })
      return { response, answer: (await response.json().catch(() => undefined)) as TokenAnswer | undefined }
    })
    if (!response.ok || typeof answer?.access_token !== 'string') throw refused(response, answer, now)
    const lifeMs = Number(answer.expires_in ?? ASSERTION_SECONDS) * 1000
    // One that lives shorter than that is renewed at half its time.
    return { value: answer.access_token, renewAt: now + Math.max(lifeMs - RENEW_BEFORE_MS, lifeMs / 2) }
  })
}

async function assertion(account: ServiceAccount, now: number): Promise<string> {
  const { private_key_id: kid, private_key, client_email, token_uri } = account
  const key = await importPKCS8(private_key, 'RS256').catch(() => {
    throw new PushError(failed('FCM_SERVICE_ACCOUNT: private_key is no RSA key in PEM (PKCS #8)'))
  })
  return new SignJWT({ scope: SCOPE })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...(kid ? { kid } : {}) })
    .setIssuer(client_email)
    .setAudience(token_uri)
    .setIssuedAt(now)
    .setExpirationTime(now + ASSERTION_SECONDS)
    .sign(key)
}

function refused({ status, headers }: Response, answer: TokenAnswer | undefined, now: number): PushError {
  const error = answer?.error
  const code = typeof error === 'string' && /^\w{1,64}$/.test(error) ? ` ${error}` : ''
  const retry = retryAfter(status, headers.get('retry-after'), now)
  return new PushError(failed(`Google gave no access token: ${status}${code}`, retry))
}
