import { isDigit } from '../../functions/contract/uri/chars.ts'
import { nextParam, param, paramName } from '../sip/params.ts'
import { isPushName } from './push-parameters.ts'

const DOT = 46
/** A device's claim that it refreshes its binding without a push (RFC 8599 4.1.4). */
export const WAKES_ITSELF = '+sip.pnsreg'

/**
 * Header parameters of a Contact as received, `''` or `;…`: without q and expires, which the registrar writes itself, and without pn-*,
 * which a contact without `<>` puts here.
 */
export function headerParameters(raw: string): string {
  let kept = ''
  for (let at = 0; at < raw.length; ) {
    at = nextParam(raw, at, raw.length)
    if (at < 0) return kept
    const name = paramName(raw)
    if (name === 'q' || name === 'expires' || isPushName(name)) continue
    const end = param.valueStart < 0 ? param.nameEnd : param.valueEnd
    kept += `;${raw.slice(param.nameStart, end)}`
  }
  return kept
}

/** Whether a device says so among the header parameters of its Contact. */
export function wakesItself(parameters: string): boolean {
  for (let at = 0; at < parameters.length; ) {
    at = nextParam(parameters, at, parameters.length)
    if (at < 0) return false
    if (paramName(parameters) === WAKES_ITSELF) return true
  }
  return false
}

/** q of RFC 3261 20.10; 1 when absent or no number from 0 to 1. */
export function readQ(text: string | undefined): number {
  if (text === undefined || text === '' || text.length > 5) return 1
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (!isDigit(code) && code !== DOT) return 1
  }
  const q = Number(text)
  return q >= 0 && q <= 1 ? q : 1
}
