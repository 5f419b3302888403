/** Larger values are no lengths but mistakes or attacks; what is above a limit but below this is only too large. */
const LARGEST = 0xffffffff

const SPACE = 0x20
const TAB = 0x09
const CR = 0x0d
const LF = 0x0a

/**
 * Reads the body's length from a header block, in one pass and without a regular expression.
 * @param block latin1 text from the start line to the empty line, both included
 * @returns octets, or why there is no length to trust. Equal repeats are one length; differing ones are an attack on framing.
 * @see RFC 3261 18.3, 20.14; 7.3.1 (folding), 7.3.3 (compact form `l`)
 */
export function contentLength(block: string): number | string {
  let length = -1
  for (let line = nextLine(block, 0); line < block.length; line = nextLine(block, line)) {
    const colon = colonAfterName(block, line)
    if (colon < 0) continue
    const value = readLength(block, colon + 1)
    if (value < 0) return 'Bad Content-Length'
    if (length >= 0 && value !== length) return 'Differing Content-Length'
    length = value
  }
  return length < 0 ? 'Missing Content-Length' : length
}

function nextLine(block: string, from: number): number {
  const end = block.indexOf('\r\n', from)
  return end < 0 ? block.length : end + 2
}

/** Where the colon is when the line starting at `line` is a Content-Length, else -1. */
function colonAfterName(block: string, line: number): number {
  const first = block.charCodeAt(line) | 0x20
  if (first !== 0x63 && first !== 0x6c) return -1 // c, l
  const colon = block.indexOf(':', line)
  if (colon < 0 || colon - line > 256) return -1
  let end = colon
  while (isBlank(block.charCodeAt(end - 1))) end--
  const name = block.slice(line, end).toLowerCase()
  return name === 'l' || name === 'content-length' ? colon : -1
}

/** The digits of a value that may be folded; -1 unless it is digits alone and below `LARGEST`. */
function readLength(block: string, from: number): number {
  let at = skipBlanks(block, from)
  const start = at
  let value = 0
  for (let digit = digitAt(block, at); digit >= 0; digit = digitAt(block, ++at)) {
    value = value * 10 + digit
    if (value > LARGEST) return -1
  }
  if (at === start) return -1
  return block.startsWith('\r\n', skipBlanks(block, at)) ? value : -1
}

function digitAt(block: string, at: number): number {
  const digit = block.charCodeAt(at) - 0x30
  return digit >= 0 && digit <= 9 ? digit : -1
}

/** Blanks, and line ends that are followed by a blank (folding). */
function skipBlanks(block: string, from: number): number {
  let at = from
  for (;;) {
    if (isBlank(block.charCodeAt(at))) at++
    else if (isFold(block, at)) at += 3
    else return at
  }
}

function isFold(block: string, at: number): boolean {
  return block.charCodeAt(at) === CR && block.charCodeAt(at + 1) === LF && isBlank(block.charCodeAt(at + 2))
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB
}
