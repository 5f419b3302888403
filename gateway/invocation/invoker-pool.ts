import type { TLSSocket } from 'node:tls'
import { buildConnector, Pool } from 'undici'

/**
 * The connections to one origin: HTTP/1.1 with keep-alive, or HTTP/2 where a TLS server offers it (ALPN).
 */
export class Connections {
  #pool: Pool
  readonly #make: () => Pool
  /** Replaced, and still at work on what they had begun. */
  readonly #retired = new Set<Pool>()
  #isMultiplexed = false

  constructor(origin: string, options: Pool.Options, connectTimeoutMs: number) {
    const allowH2 = origin.startsWith('https:')
    const open = buildConnector({ allowH2, timeout: connectTimeoutMs })
    const connect: buildConnector.connector = (target, opened) =>
      open(target, (...[error, socket]: Parameters<buildConnector.Callback>) => {
        this.#isMultiplexed = (socket as TLSSocket | null)?.alpnProtocol === 'h2'
        if (error) opened(error, null)
        else opened(null, socket!)
      })
    this.#make = () => new Pool(origin, { ...options, allowH2, connect })
    this.#pool = this.#make()
  }

  get pool(): Pool {
    return this.#pool
  }

  /**
   * The function was silent for a whole deadline. Over HTTP/1.1 that has cost the connection; over HTTP/2 all would go on over one that may
   * be dead (a NAT or load balancer has forgotten it, and says nothing). The next exchange opens a new one.
   */
  renew(): void {
    if (!this.#isMultiplexed) return
    this.#isMultiplexed = false
    const old = this.#pool
    this.#retired.add(old)
    this.#pool = this.#make()
    void old.close().then(() => this.#retired.delete(old))
  }

  async destroy(): Promise<void> {
    await Promise.all([this.#pool, ...this.#retired].map((pool) => pool.destroy()))
  }
}
