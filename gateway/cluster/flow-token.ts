import { createHmac, timingSafeEqual } from 'node:crypto'
import type { ReceivedFlow } from '../../functions/store/store.ts'

/** The part of a registered flow that its gateway needs to send along it. */
export type NamedFlow = Pick<ReceivedFlow, 'transport' | 'address' | 'port' | 'listener' | 'connection'>

/** What such a user part begins with. */
export const FLOW_MARK = 'flow.'

/** Octets of the signature that are kept. */
const SIGNATURE_BYTES = 12
const TEXT_START = FLOW_MARK.length + 16

/**
 * A flow as the user part of a SIP URI, signed, so that nobody else can send requests along connections that are not his (RFC 5626 5.2).
 * What it says of the flow is no secret.
 */
export class FlowTokens {
  readonly #secret: string

  /** @param secret common to all gateways: one names the flows of another */
  constructor(secret: string) {
    this.#secret = secret
  }

  write({ transport, address, port, listener, connection }: NamedFlow): string {
    return this.#sign(`${transport} ${address} ${port} ${listener} ${connection}`)
  }

  /** @returns undefined for what no gateway of these has written */
  read(token: string): NamedFlow | undefined {
    const text = Buffer.from(token.slice(TEXT_START), 'base64url').toString()
    if (!isEqual(token, this.#sign(text))) return undefined
    const [transport, address = '', port, listener = '', connection] = text.split(' ')
    return {
      transport: transport as NamedFlow['transport'],
      address,
      port: Number(port),
      listener,
      connection: Number(connection),
    }
  }

  #sign(text: string): string {
    const signature = createHmac('sha256', this.#secret).update(text).digest().subarray(0, SIGNATURE_BYTES)
    return FLOW_MARK + signature.toString('base64url') + Buffer.from(text).toString('base64url')
  }
}

/** In a time that says nothing of where they differ. */
function isEqual(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}
