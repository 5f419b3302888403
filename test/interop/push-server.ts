import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { PATIENCE_MS, until } from './program.ts'

/** What the `webhook` provider POSTs. */
export interface Push {
  aor: string
  provider: string
  prid: string
  [field: string]: unknown
}

/** The HTTP server a push goes to. It accepts every push, which the test then takes one by one. */
export class PushServer {
  readonly url: string
  readonly #server: Server
  readonly #pushes: Push[] = []
  readonly #wakes = new Set<() => void>()

  private constructor(server: Server, address: string) {
    this.url = `http://${address}:${(server.address() as AddressInfo).port}/push`
    this.#server = server
  }

  static async start(address: string): Promise<PushServer> {
    const server = createServer(async (request, response) => {
      pushes.#take((await json(request)) as Push)
      response.setHeader('content-type', 'application/json')
      response.end('{"outcome":"accepted"}')
    })
    server.listen(0, address)
    await once(server, 'listening')
    const pushes = new PushServer(server, address)
    return pushes
  }

  /** The next push for that user. */
  async next(user: string): Promise<Push> {
    const take = () => {
      const index = this.#pushes.findIndex(({ aor }) => aor.startsWith(`sip:${user}@`))
      return index < 0 ? undefined : this.#pushes.splice(index, 1)[0]
    }
    const push = await until(take, PATIENCE_MS, (wake) => {
      this.#wakes.add(wake)
      return () => this.#wakes.delete(wake)
    })
    if (!push) throw new Error(`no push for ${user} within ${PATIENCE_MS} ms`)
    return push
  }

  /** Pushes that nobody has taken. */
  get left(): readonly Push[] {
    return this.#pushes
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #take(push: Push): void {
    this.#pushes.push(push)
    for (const wake of this.#wakes) wake()
  }
}
