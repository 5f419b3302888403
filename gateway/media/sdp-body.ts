import { LINE_START, STRIDE, VALUE_START } from '../sip/header-index.ts'
import { readMessage, type SipMessage } from '../sip/message.ts'
import { Splicer } from '../sip/splicer.ts'

/** Where the session description of a message stands in its text. */
export interface SdpPlace {
  start: number
  end: number
}

/** Parts of a multipart body that are looked through. */
const MAX_PARTS = 16

/** The body when it is `application/sdp`, or the first such part of a multipart body; undefined when there is none that can be read. */
export function findSdp(message: SipMessage): SdpPlace | undefined {
  const { text, bodyStart } = message
  if (bodyStart >= text.length || message.header('Content-Encoding') !== undefined) return undefined
  const contentType = message.header('Content-Type')
  // RFC 3261 20.15 wants to be told, but there are phones that do not say it, and others that read it all the same.
  if (contentType === undefined)
    return text.startsWith('v=0', bodyStart) ? { start: bodyStart, end: text.length } : undefined
  if (isSdp(contentType)) return { start: bodyStart, end: text.length }
  const boundary = /^multipart\/[^;]*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType)
  return boundary ? findPart(text, bodyStart, `--${boundary[1] ?? boundary[2]}`) : undefined
}

/** RFC 2046 5.1: each part begins after a delimiter line, and ends before the line end that comes before the next one. */
function findPart(text: string, from: number, delimiter: string): SdpPlace | undefined {
  let at = text.indexOf(delimiter, from)
  for (let part = 0; part < MAX_PARTS && at >= 0; part++) {
    const head = text.indexOf('\r\n', at) + 2
    const end = text.indexOf(`\r\n${delimiter}`, Math.max(head - 2, 0))
    if (head < 2 || end < 0) return undefined
    const body = text.startsWith('\r\n', head) ? head + 2 : text.indexOf('\r\n\r\n', head) + 4
    if (body >= 4 && body <= end && isSdpPart(text.slice(head, body))) return { start: body, end }
    at = end + 2
  }
  return undefined
}

function isSdpPart(headers: string): boolean {
  const type = /^(?:content-type|c)[ \t]*:[ \t]*([^\r\n]*)/im.exec(headers)
  return (
    type !== null &&
    isSdp(type[1]!) &&
    !/^content-(?:encoding|transfer-encoding)[ \t]*:[ \t]*(?!binary|8bit|7bit)/im.test(headers)
  )
}

function isSdp(contentType: string): boolean {
  return contentType.split(';', 1)[0]!.trim().toLowerCase() === 'application/sdp'
}

/** The message with another session description in that place; everything else but its Content-Length is as it was. */
export function withSdp(message: SipMessage, place: SdpPlace, sdp: string): SipMessage {
  return spliced(message, place, sdp, [])
}

/** The message with nothing in it. */
export function withoutBody(message: SipMessage): SipMessage {
  const { text, bodyStart: start } = message
  return spliced(message, { start, end: text.length }, '', linesOf(message, 'Content-Type'))
}

/** @param dropped lines that go */
function spliced(message: SipMessage, { start, end }: SdpPlace, by: string, dropped: readonly number[]): SipMessage {
  const { text, index } = message
  const length = String(text.length - message.bodyStart - (end - start) + by.length)
  const lengths = linesOf(message, 'Content-Length')
  const edits = [
    ...dropped.map((line) => ({ start: index.table[line + LINE_START]!, end: message.lineEnd(line), by: '' })),
    ...lengths.map((line) => ({ start: index.table[line + VALUE_START]!, end: message.valueEnd(line), by: length })),
  ].sort((a, b) => a.start - b.start)
  if (lengths.length === 0) edits.push({ start: index.end, end: index.end, by: `Content-Length: ${length}\r\n` })
  const splicer = new Splicer(text, 0)
  for (const edit of [...edits, { start, end, by }]) splicer.replace(edit.start, edit.end, edit.by)
  const read = readMessage(splicer.finish(text.length))
  if (!read.ok) throw new Error(`a message with another body cannot be read: ${read.why}`)
  return read.message
}

/** A sender may have written the same length more than once. */
function linesOf(message: SipMessage, name: string): number[] {
  const lines: number[] = []
  for (let line = message.findLine(name, 0); line >= 0; line = message.findLine(name, line + STRIDE)) lines.push(line)
  return lines
}
