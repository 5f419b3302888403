import type { Dictionary } from './bencode.ts'
import type { MediaPolicy } from './types.ts'

/** What an offer to the callee says besides its description, by what the function has said. */
export function offerOptions({ ice, transport }: MediaPolicy): Dictionary {
  return {
    ...(ice === undefined ? {} : { ICE: ice }),
    ...(transport === undefined ? {} : { 'transport-protocol': transport, ...profileOptions(transport) }),
  }
}

/** Browsers want RTCP on the port of RTP, and keys by DTLS alone (RFC 8834 4.5, RFC 8827 6.5); phones mostly know neither. */
function profileOptions(transport: string): Dictionary {
  if (transport.startsWith('UDP/TLS/')) return { 'rtcp-mux': ['offer'], 'SDES': ['off'] }
  if (transport.startsWith('RTP/SAVP')) return { 'rtcp-mux': ['demux'], 'DTLS': 'off' }
  return { 'rtcp-mux': ['demux'] }
}
