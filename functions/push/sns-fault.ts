import type { PushResult } from '../contract/push.ts'
import { failed, tokenInvalid } from './outcome.ts'

/** What the AWS SDK rejects with. */
interface AwsError {
  name?: unknown
  message?: unknown
  $metadata?: { httpStatusCode?: number }
}

/** Seconds to wait when SNS is asked too often: it does not say how long. */
const THROTTLED_SECONDS = 1

/** The ARN of the endpoint that there is already for a token, where that is what the error says. */
export function existingEndpoint(error: unknown): string | undefined {
  if (nameOf(error) !== 'InvalidParameter') return undefined
  return /Endpoint (arn:\S+) already exists/.exec(textOf(error))?.[1]
}

/** SNS does not know (any more) the endpoint that was published to. */
export function isGone(error: unknown): boolean {
  const name = nameOf(error)
  if (name === 'NotFound') return true
  return name === 'InvalidParameter' && /No endpoint found/.test(textOf(error))
}

export function isDisabled(error: unknown): boolean {
  return nameOf(error) === 'EndpointDisabled'
}

/** The text of the error may quote the token: only its name is told. */
export function resultOf(error: unknown): PushResult {
  const name = nameOf(error)
  const status = (error as AwsError | null)?.$metadata?.httpStatusCode
  if (name === 'InvalidParameter' && /Invalid parameter: Token/.test(textOf(error))) {
    return tokenInvalid('SNS: the token is none of this platform')
  }
  if (name === 'CredentialsProviderError') return failed('SNS: there are no AWS credentials')
  if (status === undefined) return failed('SNS could not be reached', 0)
  const text = `SNS answered ${status} ${name}`
  if (status === 429 || /^(Throttled|Throttling|RequestLimitExceeded|TooManyRequests)$/.test(name)) {
    return failed(text, THROTTLED_SECONDS)
  }
  return status >= 500 ? failed(text, 0) : failed(text)
}

/** `InvalidParameter` of `InvalidParameterException`: the SDK has both. */
function nameOf(error: unknown): string {
  const { name } = (error ?? {}) as AwsError
  return typeof name === 'string' ? name.replace(/Exception$/, '') : ''
}

function textOf(error: unknown): string {
  const { message } = (error ?? {}) as AwsError
  return typeof message === 'string' ? message : ''
}
