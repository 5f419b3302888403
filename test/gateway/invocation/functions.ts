import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Clock } from '../../../functions/contract/clock.ts'
import type { Invocation } from '../../../functions/contract/envelope.ts'
import type { Log, LogFields } from '../../../gateway/observe/log.ts'

/** An invocation as the gateway makes it. */
export function invocationOf(attempt = 1, deadline = 0, type: Invocation['type'] = 'sip.request'): Invocation {
  return {
    specversion: '1.0',
    id: 'inv1',
    source: '/gateway/gw1',
    type,
    time: '2024-01-01T00:00:00.000Z',
    datacontenttype: 'application/json',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    data: {
      contract: 1,
      attempt,
      deadline: new Date(deadline).toISOString(),
      transaction: { id: 't1', rev: 0, seq: 1, state: 'proceeding', branches: [] },
      call: { id: 'abc@a', callId: 'abc@a', fromTag: 'f1', toTag: '' },
      request: {
        method: 'INVITE',
        uri: 'sip:bob@example.com',
        aor: 'sip:bob@example.com',
        from: '<sip:alice@example.com>;tag=f1',
        to: '<sip:bob@example.com>',
        contact: '<sip:alice@192.0.2.1>',
        cseq: 1,
        maxForwards: 70,
        headers: [
          ['Via', 'SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1'],
          ['From', '<sip:alice@example.com>;tag=f1'],
          ['To', '<sip:bob@example.com>'],
          ['Call-ID', 'abc@a'],
          ['CSeq', '1 INVITE'],
        ],
        body: 'v=0\r\n',
      },
      received: { address: '192.0.2.1', port: 5060, transport: 'udp', local: 'udp:127.0.0.1:5060', nat: false },
      contacts: [{ uri: 'sip:bob@192.0.2.2', q: 1, expires: 3600, push: false }],
    },
  }
}

export const ANSWER = { actions: [{ action: 'reply', status: 486 }] }

/** Real time, for tests over real sockets. */
export const realClock: Clock = {
  now: () => Date.now(),
  after(ms, action) {
    const timer = setTimeout(action, ms)
    return { cancel: () => clearTimeout(timer) }
  },
}

/** Keeps what was counted and logged. */
export class Witness {
  readonly counts = new Map<string, number>()
  readonly lines: { level: string; message: string; fields: LogFields }[] = []
  readonly log: Log = {
    debug: (message, fields) => this.#line('debug', message, fields),
    info: (message, fields) => this.#line('info', message, fields),
    warn: (message, fields) => this.#line('warn', message, fields),
    error: (message, fields) => this.#line('error', message, fields),
    isDebug: false,
  }
  readonly count = (series: string): void => {
    this.counts.set(series, (this.counts.get(series) ?? 0) + 1)
  }

  #line(level: string, message: string, fields: LogFields = {}): void {
    this.lines.push({ level, message, fields })
  }
}

export interface Received {
  method: string
  url: string
  headers: IncomingMessage['headers']
  body: string
}

/** A function behind real HTTP on loopback, which does what `behave` says. */
export class FunctionServer {
  readonly received: Received[] = []
  readonly sockets = new Set<Socket>()
  /** Connections taken since the start. */
  connections = 0
  readonly #server: Server
  #arrivals: (() => void)[] = []

  constructor(behave: (response: ServerResponse, request: Received, nth: number) => void) {
    this.#server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk) => {
        body += chunk
      })
      request.on('end', () => {
        const received = { method: request.method!, url: request.url!, headers: request.headers, body }
        this.received.push(received)
        for (const arrived of this.#arrivals.splice(0)) arrived()
        behave(response, received, this.received.length)
      })
    })
    this.#server.on('connection', (socket) => {
      this.connections++
      this.sockets.add(socket)
      socket.on('close', () => this.sockets.delete(socket))
      socket.on('error', () => undefined)
    })
  }

  static async start(
    behave: (response: ServerResponse, request: Received, nth: number) => void,
    port = 0,
  ): Promise<FunctionServer> {
    const server = new FunctionServer(behave)
    await new Promise<void>((resolve) => server.#server.listen(port, '127.0.0.1', resolve))
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** The next request has arrived. */
  arrival(): Promise<void> {
    return new Promise((resolve) => this.#arrivals.push(resolve))
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }
}

/** Answers with JSON. */
export function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}
