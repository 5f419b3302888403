import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

/**
 * The function of the HTTP-routed jobs, as its own process: a bare `node:http` server that speaks the contract with fixed answers, so
 * that it costs little beside the gateway under test. `POST /kamailio/<user>` says the same to Kamailio in plain text.
 * The user's name says how it answers: `slow20-…` after 20 ms, `never-…` not at all, `inline-…`, `named-…`, `other-…`, `crowd-…` wait.
 *
 *   node test/bench/function-server.ts <port> <port of the callee>
 */

const [port, calleePort] = process.argv.slice(2).map(Number)
const CALLEE = `sip:callee@127.0.0.1:${calleePort}`

const MANIFEST = JSON.stringify({
  contract: 1,
  routes: [{ method: 'INVITE', path: '/:domain/:user' }],
  handlers: ['late-fork'],
})

interface Invocation {
  data: { request: { aor: string }; event?: { attributes: { contact: string } } }
}

const LATE_FORK = { action: 'fork', targets: [{ fromEvent: 'contact' }] }

/** Actions by the user's name up to its first `-`; anybody else is forked to the callee. */
const scripts: Record<string, (invocation: Invocation) => object[]> = {
  inline: ({ data }) => asleep(data.request.aor, { actions: [LATE_FORK] }, '30s'),
  named: ({ data }) => asleep(data.request.aor, { handler: 'late-fork' }, '30s'),
  other: ({ data }) => asleep(data.request.aor, { actions: [LATE_FORK] }, '15m'),
}

function asleep(aor: string, reaction: object, lasts: string): object[] {
  const subscribe = { action: 'subscribe', event: 'contact.registered', filter: { aor }, for: lasts, ...reaction }
  return [subscribe, { action: 'halt', for: lasts }]
}

const server = createServer((request, response) => void serve(request, response))
server.keepAliveTimeout = 60_000
server.listen(port, '127.0.0.1')

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url ?? '/'
  const user = path.slice(path.lastIndexOf('/') + 1)
  if (path === '/.well-known/rouse') return send(response, 'application/json', MANIFEST)
  const body = await bodyOf(request)
  if (user.startsWith('never')) return
  const answer = () =>
    path.startsWith('/kamailio/')
      ? send(response, 'text/plain', CALLEE)
      : send(response, 'application/json', JSON.stringify({ actions: actionsFor(path, user, JSON.parse(body)) }))
  const slowMs = user.startsWith('slow') ? Number.parseInt(user.slice(4), 10) : 0
  if (slowMs > 0) setTimeout(answer, slowMs)
  else answer()
}

function actionsFor(path: string, user: string, invocation: Invocation): object[] {
  if (path.startsWith('/on/')) return [{ action: 'fork', targets: [invocation.data.event!.attributes.contact] }]
  const script = scripts[user.split('-', 1)[0]!]
  return script?.(invocation) ?? [{ action: 'fork', targets: [CALLEE] }]
}

function bodyOf(request: IncomingMessage): Promise<string> {
  let body = ''
  request.setEncoding('utf8')
  request.on('data', (part: string) => {
    body += part
  })
  return new Promise((resolve) => request.on('end', () => resolve(body)))
}

function send(response: ServerResponse, type: string, body: string): void {
  response.writeHead(200, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) }).end(body)
}
