import { COMMA, isToken } from '../../functions/contract/uri/chars.ts'
import { nextParam, param, paramName, paramValue, skipLws, trimLwsEnd } from './params.ts'

export interface Credentials {
  /** As written: `Digest`, compare it in any case. */
  scheme: string
  /** Names in lower case, values unquoted. */
  params: Map<string, string>
}

/**
 * Reads the value of one Authorization, Proxy-Authorization, WWW-Authenticate or Proxy-Authenticate line (RFC 3261 20.7, 25.1).
 * Whether the scheme is one we know is for the caller. Take the values from `lines`: their commas separate parameters.
 * @returns undefined when it is broken, when a parameter has no value, or when it is there twice
 */
export function parseCredentials(value: string): Credentials | undefined {
  const start = skipLws(value, 0, value.length)
  const end = trimLwsEnd(value, start, value.length)
  let at = start
  while (at < end && isToken(value.charCodeAt(at))) at++
  const scheme = value.slice(start, at)
  const first = skipLws(value, at, end)
  if (scheme === '' || first === at) return undefined
  const params = readParams(value, first, end)
  return params === undefined ? undefined : { scheme, params }
}

function readParams(value: string, start: number, end: number): Map<string, string> | undefined {
  const params = new Map<string, string>()
  // nextParam reads what follows a separator: it starts one character ahead, here on the blank after the scheme.
  for (let at = start - 1; at < end; ) {
    at = nextParam(value, at, end)
    if (at < 0 || param.valueStart < 0 || (at < end && value.charCodeAt(at) !== COMMA)) return undefined
    const name = paramName(value)
    if (params.has(name)) return undefined
    params.set(name, paramValue(value)!)
  }
  return params
}
