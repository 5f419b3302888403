import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { Asked } from './listener.ts'

/** AWS Signature Version 4 in the Authorization header, the verifying half. */

export interface Credentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
}

export interface Scope {
  region: string
  service: string
}

export interface SignatureFault {
  status: 400 | 403
  code: 'MissingAuthenticationToken' | 'IncompleteSignature' | 'InvalidClientTokenId' | 'SignatureDoesNotMatch'
  message: string
}

const SKEW_MS = 900_000
const FORM =
  /^AWS4-HMAC-SHA256 Credential=([^/, ]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/

/** @returns undefined when the request is signed with these credentials for this region and service, about now */
export function signatureFault(
  asked: Asked,
  credentials: Credentials,
  scope: Scope,
  now: number,
): SignatureFault | undefined {
  const { authorization, 'x-amz-date': date } = asked.headers
  if (!authorization) return fault(403, 'MissingAuthenticationToken', 'Request is missing Authentication Token')
  const [, accessKeyId, day, region, service, names, signature] = FORM.exec(authorization) ?? []
  if (!accessKeyId || !day || !signature || !names)
    return fault(400, 'IncompleteSignature', 'Authorization header requires Credential, SignedHeaders and Signature.')
  const at = typeof date === 'string' ? timeOf(date) : Number.NaN
  if (Number.isNaN(at)) return fault(400, 'IncompleteSignature', 'x-amz-date is not of the form 20150830T123600Z')
  const isKnown = accessKeyId === credentials.accessKeyId
  if (!isKnown || asked.headers['x-amz-security-token'] !== credentials.sessionToken)
    return fault(403, 'InvalidClientTokenId', 'The security token included in the request is invalid.')
  if (region !== scope.region || service !== scope.service)
    return mismatch(`Credential should be scoped to a valid region and service, not '${region}/${service}'.`)
  if (!String(date).startsWith(day))
    return mismatch('Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP')
  if (Math.abs(now - at) > SKEW_MS) return mismatch(`Signature expired or not yet current: ${date}`)
  const signed = names.split(';')
  const unsigned = Object.keys(asked.headers).filter(
    (name) => (name === 'host' || name.startsWith('x-amz-')) && !signed.includes(name),
  )
  if (unsigned.length > 0) return mismatch(`Headers that must be signed are not: ${unsigned.join(', ')}`)
  const expected = signatureOf(asked, signed, { day, region, service }, credentials.secretAccessKey)
  if (timingSafeEqual(Buffer.from(signature), Buffer.from(expected))) return undefined
  return mismatch(
    'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.',
  )
}

function signatureOf(
  asked: Asked,
  signed: string[],
  { day, region, service }: Scope & { day: string },
  secret: string,
): string {
  const [path = '/', query = ''] = asked.path.split('?')
  const canonical = [
    asked.method,
    path,
    query.split('&').sort().join('&'),
    ...signed.map(
      (name) =>
        `${name}:${String(asked.headers[name] ?? '')
          .trim()
          .replace(/ +/g, ' ')}`,
    ),
    '',
    signed.join(';'),
    sha256(asked.body),
  ].join('\n')
  const scope = `${day}/${region}/${service}/aws4_request`
  const text = ['AWS4-HMAC-SHA256', asked.headers['x-amz-date'], scope, sha256(Buffer.from(canonical))].join('\n')
  const key = [day, region, service, 'aws4_request'].reduce<Buffer | string>(hmac, `AWS4${secret}`)
  return hmac(key, text).toString('hex')
}

function timeOf(date: string): number {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date)
  if (!parts) return Number.NaN
  const [year, month, day, hour, minute, second] = parts.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  return Date.UTC(year, month - 1, day, hour, minute, second)
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}

function mismatch(message: string): SignatureFault {
  return fault(403, 'SignatureDoesNotMatch', message)
}

function fault(status: 400 | 403, code: SignatureFault['code'], message: string): SignatureFault {
  return { status, code, message }
}
