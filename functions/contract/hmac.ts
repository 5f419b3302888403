/** HMAC-SHA256 under one key, in base64. A message is what its parts are one after the other; a text is signed as UTF-8. */
export interface Hmac {
  /** With its padding. */
  sign(...message: Message): string | Promise<string>
  /** In a time that says nothing about where `signature` differs. */
  isGenuine(signature: string, ...message: Message): boolean | Promise<boolean>
}

/** The same at once. */
export interface SyncHmac extends Hmac {
  sign(...message: Message): string
  isGenuine(signature: string, ...message: Message): boolean
}

export type Octets = Uint8Array<ArrayBuffer>
export type Message = readonly (Uint8Array | string)[]

const encoder = new TextEncoder()

/** By WebCrypto, which is everywhere. */
export function webHmac(key: Octets): Hmac {
  const imported = crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify'])
  return {
    sign: async (...message) =>
      toBase64(new Uint8Array(await crypto.subtle.sign('HMAC', await imported, joined(message)))),
    async isGenuine(signature, ...message) {
      const octets = fromBase64(signature)
      return octets !== undefined && crypto.subtle.verify('HMAC', await imported, octets, joined(message))
    },
  }
}

/** Node's own does at once what WebCrypto hands to another thread and waits for. */
const node = globalThis.process?.getBuiltinModule?.('node:crypto')

/** By what is fastest here. */
export function platformHmac(key: Octets): Hmac {
  if (!node?.createSecretKey) return webHmac(key)
  return nodeHmac(key)
}

/** By Node's. */
export function nodeHmac(key: Octets): SyncHmac {
  const { timingSafeEqual } = node!
  const digest = 'hash' in node! ? byDigests(key) : byObject(key)
  const own = Buffer.alloc(LENGTH)
  // One more, to see what is longer.
  const read = Buffer.alloc(LENGTH + 1)
  const given = read.subarray(0, LENGTH)
  return {
    sign: (...message) => digest(message, 'base64'),
    isGenuine(signature, ...message) {
      if (read.write(signature, 'base64') !== LENGTH) return false
      own.write(digest(message, 'binary'), 'binary')
      return timingSafeEqual(given, own)
    },
  }
}

/** Whether one of `signatures` is that of one of `keys`. */
export async function isSigned(
  keys: readonly Hmac[],
  signatures: readonly string[],
  ...message: Message
): Promise<boolean> {
  for (const key of keys) {
    for (const signature of signatures) if (await key.isGenuine(signature, ...message)) return true
  }
  return false
}

/** Octets of a block of SHA-256, and of its digest. */
const BLOCK = 64
const LENGTH = 32
/** Where a message is put together; used within one turn, and never beyond. */
const scratch = new Uint8Array(65_536)

/** Digests as text: one in a buffer of its own takes four times as long, and gives the garbage collector something to do. */
type Digest = (message: Message, encoding: 'base64' | 'binary') => string

/** RFC 2104 by two digests: for a message of some kilobytes an object of Node's costs more than these. */
function byDigests(key: Octets): Digest {
  const hash = node!.hash
  const block = new Uint8Array(BLOCK)
  block.set(key.length > BLOCK ? hash('sha256', key, 'buffer') : key)
  const inner = block.map((octet) => octet ^ 0x36)
  const outer = Buffer.alloc(BLOCK + LENGTH)
  outer.set(block.map((octet) => octet ^ 0x5c))
  const ofLarge = byObject(key)
  return (message, encoding) => {
    scratch.set(inner)
    const length = placed(message, scratch, BLOCK)
    if (length === undefined) return ofLarge(message, encoding)
    outer.write(hash('sha256', scratch.subarray(0, length), 'binary'), BLOCK, 'binary')
    return hash('sha256', outer, encoding)
  }
}

function byObject(key: Octets): Digest {
  const secret = node!.createSecretKey(key)
  return (message, encoding) => {
    const hmac = node!.createHmac('sha256', secret)
    for (const part of message) hmac.update(part)
    return hmac.digest(encoding)
  }
}

/** Writes a message from `start` on. @returns where it ends; undefined when there is no room */
function placed(message: Message, octets: Uint8Array, start: number): number | undefined {
  let end = start
  for (const part of message) {
    if (typeof part === 'string') {
      const { read, written } = encoder.encodeInto(part, octets.subarray(end))
      if (read < part.length) return undefined
      end += written
    } else {
      if (part.length > octets.length - end) return undefined
      octets.set(part, end)
      end += part.length
    }
  }
  return end
}

function joined(message: Message): Octets {
  const parts = message.map((part) => (typeof part === 'string' ? encoder.encode(part) : part))
  const octets = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let end = 0
  for (const part of parts) {
    octets.set(part, end)
    end += part.length
  }
  return octets
}

export function toBase64(octets: Uint8Array): string {
  return btoa(String.fromCharCode.apply(null, octets as unknown as number[]))
}

/** Undefined for what is none. */
export function fromBase64(text: string): Octets | undefined {
  try {
    const characters = atob(text)
    const octets = new Uint8Array(characters.length)
    for (let index = 0; index < octets.length; index++) octets[index] = characters.charCodeAt(index)
    return octets
  } catch {
    return undefined
  }
}
