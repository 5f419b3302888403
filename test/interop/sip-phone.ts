import sip, { type Message, type SipHeaders, type Stack } from 'sip'

export interface SipPhoneOptions {
  /** As shown in the ladder. */
  name: string
  user: string
  /** Each phone has a loopback address of its own. */
  address: string
  port: number
  /** `host:port` of the gateway, which is also the domain. */
  gateway: string
  domain: string
  /** Contact URI parameters. */
  contactParams?: string
  instance: string
  onArrow(from: string, to: string, label: string): void
}

const SDP = (address: string) =>
  `v=0\r\no=- 1 1 IN IP4 ${address}\r\ns=-\r\nc=IN IP4 ${address}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n`

let counter = 0
const unique = (kind: string) => `${kind}-${process.pid}-${++counter}`

/**
 * A phone on npm's `sip`: a second SIP stack, so that what is tested does not rest on the gateway's own code. Only meant for loopback.
 */
export class SipPhone {
  /** Called when an INVITE rings here. */
  onRing: () => void = () => {}
  onEnded: () => void = () => {}
  readonly #options: SipPhoneOptions
  #stack: Stack
  #port: number
  readonly #registerId = unique('register')
  #cseq = 0
  #ringing: Message | undefined
  #dialog:
    | { uri: string; headers: Pick<SipHeaders, 'to' | 'from' | 'call-id'>; route: NonNullable<SipHeaders['route']> }
    | undefined

  constructor(options: SipPhoneOptions) {
    this.#options = options
    this.#port = options.port
    this.#stack = this.#open()
  }

  #open(): Stack {
    const { name, address, onArrow } = this.#options
    return sip.create(
      {
        address,
        port: this.#port,
        tcp: false,
        logger: {
          send: (message) => onArrow(name, 'gateway', label(message)),
          recv: (message) => onArrow('gateway', name, label(message)),
        },
      },
      (request) => this.#onRequest(request),
    )
  }

  /** The operating system stops the app: its socket is gone, what is sent to it is lost. */
  sleep(): void {
    this.#stack.destroy()
  }

  /** A push has started the app again, on another port, as phones do. */
  wake(): Promise<number> {
    this.#port += 10
    this.#stack = this.#open()
    return this.register()
  }

  get #aor(): string {
    return `sip:${this.#options.user}@${this.#options.domain}`
  }

  /** Push parameters are for the registrar alone (RFC 8599 4.1). */
  #contact(pushParams = ''): SipHeaders['contact'] {
    const { user, address, instance } = this.#options
    return [
      { uri: `sip:${user}@${address}:${this.#port}${pushParams}`, params: { '+sip.instance': `"<${instance}>"` } },
    ]
  }

  register(): Promise<number> {
    const { contactParams } = this.#options
    return this.#request('REGISTER', `sip:${this.#options.domain}`, {
      'to': { uri: this.#aor, params: {} },
      'from': { uri: this.#aor, params: { tag: unique('tag') } },
      'call-id': this.#registerId,
      'contact': this.#contact(contactParams ? `;${contactParams}` : ''),
      'expires': 600,
    }).then(({ status }) => status ?? 0)
  }

  /** Calls a user; resolves with the final status. */
  async call(user: string): Promise<number> {
    const uri = `sip:${user}@${this.#options.domain}`
    const headers = {
      'to': { uri, params: {} },
      'from': { uri: this.#aor, params: { tag: unique('tag') } },
      'call-id': unique('call'),
    }
    const final = await this.#request(
      'INVITE',
      uri,
      { ...headers, 'contact': this.#contact(), 'content-type': 'application/sdp' },
      SDP(this.#options.address),
    )
    if (final.status! < 300) {
      const route = [...(final.headers['record-route'] ?? [])].reverse()
      this.#dialog = { uri: final.headers.contact![0]!.uri, headers: { ...headers, 'to': final.headers.to }, route }
      this.#stack.send(this.#inDialog('ACK', final.headers.cseq.seq))
    }
    return final.status!
  }

  answer(): void {
    const invite = this.#ringing!
    this.#ringing = undefined
    this.#stack.send(
      sip.makeResponse(invite, 200, 'OK', {
        headers: {
          'contact': this.#contact(),
          'record-route': invite.headers['record-route'],
          'content-type': 'application/sdp',
        },
        content: SDP(this.#options.address),
      }),
    )
  }

  async hangUp(): Promise<void> {
    await new Promise<void>((resolve) => this.#stack.send(this.#inDialog('BYE', ++this.#cseq), () => resolve()))
  }

  close(): void {
    this.#stack.destroy()
  }

  #onRequest(request: Message): void {
    if (request.method === 'ACK') return
    if (request.method === 'INVITE') {
      this.#ringing = request
      request.headers.to.params.tag = unique('tag')
      this.#stack.send(
        sip.makeResponse(request, 180, 'Ringing', {
          headers: { 'contact': this.#contact(), 'record-route': request.headers['record-route'] },
        }),
      )
      this.onRing()
      return
    }
    this.#stack.send(sip.makeResponse(request, 200, 'OK'))
    if (request.method === 'CANCEL' && this.#ringing) {
      this.#stack.send(sip.makeResponse(this.#ringing, 487, 'Request Terminated'))
      this.#ringing = undefined
    }
    if (request.method === 'BYE') this.onEnded()
  }

  /** Sends a request by way of the gateway; resolves with its final response. */
  #request(method: string, uri: string, headers: Record<string, unknown>, content = ''): Promise<Message> {
    const route = [{ uri: `sip:${this.#options.gateway};lr`, params: {} }]
    const message = {
      method,
      uri,
      version: '2.0',
      headers: { 'cseq': { method, seq: ++this.#cseq }, 'via': [], 'max-forwards': 70, route, ...headers },
      content,
    }
    return new Promise((resolve) => {
      this.#stack.send(message as unknown as Message, (response) => {
        if (response.status! >= 200) resolve(response)
      })
    })
  }

  #inDialog(method: string, seq: number): Message {
    const { uri, headers, route } = this.#dialog!
    return {
      method,
      uri,
      version: '2.0',
      headers: {
        ...headers,
        'cseq': { method, seq },
        'via': [],
        'max-forwards': 70,
        'route': route.map((each) => ({ ...each })),
      },
    }
  }
}

function label(message: Message): string {
  return message.method
    ? `${message.method} ${message.uri}`
    : `${message.status} ${message.reason} (${message.headers.cseq.method})`
}
