/**
 * As little reading as a load generator can do with: one `indexOf` per header that it needs. It reads what it wrote itself and a
 * router passed on, so names are spelled as in `templates.ts`; a router that respells them shows up as unmatched messages.
 */

export const CALL_ID = '\r\nCall-ID: '
export const CSEQ = '\r\nCSeq: '
export const CONTACT = '\r\nContact: '
export const FROM = '\r\nFrom: '
export const TO = '\r\nTo: '
export const VIA = '\r\nVia: '
export const RECORD_ROUTE = '\r\nRecord-Route: '

/** Status of a response, 0 for a request. */
export function statusOf(text: string): number {
  return text.startsWith('SIP/2.0 ') ? Number(text.slice(8, 11)) : 0
}

/** Value of the first line of that name, '' when there is none. */
export function headerOf(text: string, name: string): string {
  const at = text.indexOf(name)
  return at < 0 ? '' : text.slice(at + name.length, text.indexOf('\r\n', at + name.length))
}

/** Every line of that name, each ending in CRLF, as they stand. */
export function linesOf(text: string, name: string): string {
  let lines = ''
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + name.length)) {
    lines += text.slice(at + 2, text.indexOf('\r\n', at + name.length) + 2)
  }
  return lines
}

/** The method of CSeq. */
export function methodOf(text: string): string {
  const cseq = headerOf(text, CSEQ)
  return cseq.slice(cseq.indexOf(' ') + 1)
}

/** The URI between angle brackets, or the whole value without its parameters. */
export function uriOf(nameAddr: string): string {
  const open = nameAddr.indexOf('<')
  if (open < 0) return nameAddr.split(';', 1)[0]!
  return nameAddr.slice(open + 1, nameAddr.indexOf('>', open))
}

/** The Route header lines of a caller: the record-routes of a response, in reverse order (RFC 3261 12.1.2). */
export function routesOf(response: string): string {
  const values = linesOf(response, RECORD_ROUTE)
    .split('\r\n')
    .filter((line) => line !== '')
    .flatMap((line) => line.slice('Record-Route: '.length).split(','))
  return values.reverse().reduce((lines, value) => `${lines}Route: ${value.trim()}\r\n`, '')
}
