import { createCipheriv, createDecipheriv, createHash, createHmac, timingSafeEqual } from 'node:crypto'

/** Whom a PURR names: a device of an address-of-record, by a digest of its key. */
export interface NamedDevice {
  aor: string
  device: string
}

/** Octets of the authentication code, which is the initialization vector too. */
const CODE_BYTES = 16
const DEVICE_BYTES = 9

/**
 * The names by which requests within a dialog wake a device (RFC 8599 6, "proxy unique registration reference"): always the same for a
 * device, the same for all gateways, not to be guessed, and telling nobody else whose they are. Nothing is stored: what a PURR means is
 * encrypted in it, under a code of its own text as the initialization vector, so that equal texts, and only these, look alike (as RFC 5297).
 */
export class Purrs {
  readonly #codeKey: Buffer
  readonly #textKey: Buffer

  /** @param secret common to all gateways: one reads what another has given out */
  constructor(secret: string) {
    this.#codeKey = keyed(secret, 'purr code')
    this.#textKey = keyed(secret, 'purr text')
  }

  write(aor: string, device: string): string {
    const text = Buffer.concat([digestOf(device), Buffer.from(aor)])
    const code = this.#codeOf(text)
    const cipher = createCipheriv('aes-256-ctr', this.#textKey, code)
    return Buffer.concat([code, cipher.update(text), cipher.final()]).toString('base64url')
  }

  /** @returns undefined for what no gateway of these has given out */
  read(purr: string): NamedDevice | undefined {
    const octets = Buffer.from(purr, 'base64url')
    if (octets.length <= CODE_BYTES + DEVICE_BYTES) return undefined
    const code = octets.subarray(0, CODE_BYTES)
    const decipher = createDecipheriv('aes-256-ctr', this.#textKey, code)
    const text = Buffer.concat([decipher.update(octets.subarray(CODE_BYTES)), decipher.final()])
    if (!timingSafeEqual(code, this.#codeOf(text))) return undefined
    const device = text.subarray(0, DEVICE_BYTES).toString('base64url')
    return { aor: text.subarray(DEVICE_BYTES).toString(), device }
  }

  #codeOf(text: Buffer): Buffer {
    return createHmac('sha256', this.#codeKey).update(text).digest().subarray(0, CODE_BYTES)
  }
}

/** Whether the device of a binding is the one that a PURR names. */
export function isNamed(named: NamedDevice, device: string): boolean {
  return digestOf(device).toString('base64url') === named.device
}

function digestOf(device: string): Buffer {
  return createHash('sha256').update(device).digest().subarray(0, DEVICE_BYTES)
}

function keyed(secret: string, use: string): Buffer {
  return createHmac('sha256', secret).update(use).digest()
}
