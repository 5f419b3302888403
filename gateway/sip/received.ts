import { VALUE_START } from './header-index.ts'
import { assertOneLine } from './header-line.ts'
import { VIA } from './header-names.ts'
import type { SipMessage } from './message.ts'
import { trimLwsEnd } from './params.ts'
import { Splicer } from './splicer.ts'
import { scanVia, viaScan } from './via.ts'

/** Source of a request, as it goes into its topmost Via. */
export interface Received {
  /** IP literal, IPv6 without brackets. */
  address: string
  port: number
}

/**
 * What to add to the topmost Via of a request that came over `address:port` (RFC 3261 18.2.1, RFC 3581 4): null when sent-by is the
 * address and no rport was asked for. A `received` that the sender wrote itself is never trusted.
 */
export function receivedOf(request: SipMessage, address: string, port: number): Received | null {
  const via = request.via
  if (via === undefined) return null
  const isPlain = via.host === address && via.rport === undefined
  return isPlain && (via.received === undefined || via.received === address) ? null : { address, port }
}

/**
 * Writes `received` and, where the sender asked for it, `rport` into the Via value that starts at `start`; other octets stay.
 * A broken Via stays as it is.
 */
export function fillReceived(splicer: Splicer, start: number, end: number, received: Received): void {
  const text = splicer.text
  if (!scanVia(text, start, end)) return
  assertOneLine(received.address)
  const { rportNameStart, receivedNameStart } = viaScan
  if (rportNameStart >= 0 && rportNameStart < receivedNameStart) fillRport(splicer, `=${received.port}`)
  if (receivedNameStart >= 0) splicer.replace(viaScan.receivedStart, viaScan.receivedEnd, received.address)
  if (rportNameStart >= 0 && receivedNameStart >= 0 && rportNameStart > receivedNameStart) {
    fillRport(splicer, `=${received.port}`)
  }
  if (receivedNameStart >= 0) return
  if (rportNameStart >= 0) fillRport(splicer, `=${received.port};received=${received.address}`)
  else appendReceived(splicer, text, start, received.address)
}

/** A request as it came but for its source, which stands in its topmost Via. */
export function withReceived(request: SipMessage, received: Received): string {
  const line = request.lineOf(VIA)
  if (line < 0) return request.text
  const splicer = new Splicer(request.text, 0)
  fillReceived(splicer, request.index.table[line + VALUE_START]!, request.valueEnd(line), received)
  return splicer.finish(request.text.length)
}

function fillRport(splicer: Splicer, replacement: string): void {
  const { rportNameEnd, rportStart, rportEnd } = viaScan
  splicer.replace(rportNameEnd, rportStart < 0 ? rportNameEnd : rportEnd, replacement)
}

function appendReceived(splicer: Splicer, text: string, start: number, address: string): void {
  const end = trimLwsEnd(text, start, viaScan.end)
  splicer.replace(end, end, `;received=${address}`)
}
