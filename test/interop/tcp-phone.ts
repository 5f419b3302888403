import { connect, type Socket } from 'node:net'
import { nextAddress } from './network.ts'

let counter = 0
const unique = (kind: string) => `${kind}-${++counter}`

/** A phone that has one TCP connection, written by hand; it answers whoever calls it, and says 200 to whatever else it hears. */
export class TcpPhone {
  readonly user: string
  readonly registerId = unique('register')
  /** The final status of each of its requests, by CSeq method: the last one counts. */
  readonly finals = new Map<string, number>()
  /** Methods of the requests it has heard, ACKs too. */
  readonly heard: string[] = []
  readonly #address = nextAddress()
  #socket: Socket | undefined
  #buffer = ''
  #cseq = 0
  /** What its requests within the dialog have in common: Request-URI, Routes, From, To and Call-ID. */
  #dialog: { uri: string; headers: string } | undefined

  constructor(user: string) {
    this.user = user
  }

  /** Opens its connection, in place of the one it had. @param router `host:port` of a gateway */
  connect(router: string): void {
    const [host, port] = router.split(':') as [string, string]
    this.close()
    this.#buffer = ''
    this.#socket = connect({ host, port: Number(port), localAddress: this.#address, noDelay: true })
    this.#socket.setEncoding('latin1')
    // Its gateway is killed: it connects to another one.
    this.#socket.on('error', () => {})
    this.#socket.on('data', (text: string) => this.#read(text))
  }

  close(): void {
    this.#socket?.destroy()
  }

  register(): void {
    const from = `From: <sip:${this.user}@example.com>;tag=r\r\nTo: <sip:${this.user}@example.com>\r\n`
    this.#request('REGISTER', 'sip:example.com', `${from}Call-ID: ${this.registerId}\r\n`)
  }

  call(user: string): void {
    this.finals.delete('INVITE')
    const uri = `sip:${user}@example.com`
    const from = `From: <sip:${this.user}@example.com>;tag=${unique('caller')}\r\nTo: <${uri}>\r\n`
    this.#request('INVITE', uri, `${from}Call-ID: ${unique('call')}\r\n`)
  }

  hangUp(): void {
    this.#request('BYE', this.#dialog!.uri, this.#dialog!.headers)
  }

  get #contact(): string {
    return `Contact: <sip:${this.user}@${this.#address}:5060;transport=tcp>\r\n`
  }

  #request(method: string, uri: string, headers: string, cseq = ++this.#cseq): void {
    const via = `Via: SIP/2.0/TCP ${this.#address}:5060;branch=z9hG4bK-${unique(this.user)};rport\r\n`
    this.#send(`${method} ${uri} SIP/2.0\r\n${via}Max-Forwards: 70\r\n${headers}CSeq: ${cseq} ${method}\r\n`)
  }

  #send(head: string): void {
    this.#socket?.write(`${head}${this.#contact}Content-Length: 0\r\n\r\n`, 'latin1')
  }

  /** Nobody here sends a body. */
  #read(text: string): void {
    this.#buffer += text
    for (let end = this.#buffer.indexOf('\r\n\r\n'); end >= 0; end = this.#buffer.indexOf('\r\n\r\n')) {
      const message = this.#buffer.slice(0, end + 2)
      this.#buffer = this.#buffer.slice(end + 4)
      if (message.startsWith('SIP/2.0')) this.#onResponse(message)
      else this.#onRequest(message)
    }
  }

  #onRequest(request: string): void {
    const method = request.slice(0, request.indexOf(' '))
    this.heard.push(method)
    if (method === 'ACK') return
    const tag = method === 'INVITE' ? `;tag=${unique('callee')}` : ''
    const to = `To: ${value(request, 'To')}${tag}\r\n`
    const routes = values(request, 'Record-Route')
    const copied = ['From', 'Call-ID', 'CSeq'].map((name) => `${name}: ${value(request, name)}\r\n`).join('')
    this.#send(
      `SIP/2.0 200 OK\r\n${lines('Via', values(request, 'Via'))}${lines('Record-Route', routes)}${to}${copied}`,
    )
    if (method !== 'INVITE') return
    const from = `From: ${value(request, 'To')}${tag}\r\nTo: ${value(request, 'From')}\r\n`
    this.#talk(request, routes, from)
  }

  #onResponse(response: string): void {
    const status = Number(response.split(' ', 2)[1])
    const [cseq, method] = value(response, 'CSeq').split(' ') as [string, string]
    if (status < 200) return
    this.finals.set(method, status)
    // The ACK of anything else goes no further than the gateway, which does without it over TCP.
    if (method !== 'INVITE' || status >= 300) return
    const routes = values(response, 'Record-Route').reverse()
    this.#talk(response, routes, `From: ${value(response, 'From')}\r\nTo: ${value(response, 'To')}\r\n`)
    this.#request('ACK', this.#dialog!.uri, this.#dialog!.headers, Number(cseq))
  }

  #talk(message: string, routes: readonly string[], ends: string): void {
    const uri = /<(.*)>/.exec(value(message, 'Contact'))![1]!
    this.#dialog = { uri, headers: `${lines('Route', routes)}${ends}Call-ID: ${value(message, 'Call-ID')}\r\n` }
  }
}

function values(message: string, name: string): string[] {
  return [...message.matchAll(new RegExp(`^${name}: *(.*)\\r$`, 'gim'))].map(([, text]) => text!)
}

function value(message: string, name: string): string {
  return values(message, name)[0] ?? ''
}

function lines(name: string, texts: readonly string[]): string {
  return texts.map((text) => `${name}: ${text}\r\n`).join('')
}
