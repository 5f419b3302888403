import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

export interface Asked {
  path: string
  authorization: string | undefined
  body: string
}

/** Google's token endpoint (`/token`) and Firebase at one address, as far as a push needs them: everybody is let in, every push is taken. */
export interface Google {
  url: string
  asked: Asked[]
  /** The first push. */
  pushed: Promise<Asked>
}

export async function google(t: TestContext): Promise<Google> {
  const asked: Asked[] = []
  const pushed = Promise.withResolvers<Asked>()
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const one = { path: request.url!, authorization: request.headers.authorization, body }
    asked.push(one)
    if (one.path !== '/token') pushed.resolve(one)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ access_token: 'access-1', expires_in: 3600 }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, pushed: pushed.promise }
}
