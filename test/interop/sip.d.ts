/** The part of npm's `sip` that the simulated phones use; the package brings no types. */
declare module 'sip' {
  export interface SipAddress {
    name?: string
    uri: string
    params: Record<string, string | null | undefined>
  }
  export interface SipHeaders {
    'to': SipAddress
    'from': SipAddress
    'call-id': string
    'cseq': { method: string; seq: number }
    'contact'?: SipAddress[]
    'via': { params: Record<string, string | null> }[]
    'route'?: SipAddress[]
    'record-route'?: SipAddress[]
    [name: string]: unknown
  }
  export interface Message {
    method?: string
    uri?: string
    status?: number
    reason?: string
    version?: string
    headers: SipHeaders
    content?: string
  }
  export interface Stack {
    send(message: Message, onResponse?: (response: Message) => void): void
    destroy(): void
  }
  export interface Options {
    address: string
    port: number
    tcp?: boolean
    logger?: { send?(message: Message): void; recv?(message: Message): void; error?(error: Error): void }
  }
  export function create(options: Options, onRequest: (request: Message) => void): Stack
  export function makeResponse(
    request: Message,
    status: number,
    reason?: string,
    extension?: { headers?: Record<string, unknown>; content?: string },
  ): Message
  const sip: { create: typeof create; makeResponse: typeof makeResponse }
  export default sip
}
