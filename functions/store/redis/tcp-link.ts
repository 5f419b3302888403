import { ClientOfflineError, createClient, createCluster, createSentinel, ErrorReply } from '@redis/client'
import type { Clock } from '../../contract/clock.ts'

/** A connection, or all the connections to a cluster. */
interface Client {
  send(command: string[]): Promise<unknown>
  connect(): Promise<unknown>
  isReady(): boolean
  destroy(): void
}

export interface LinkOptions {
  /** `redis[s]://`, `redis[s]+cluster://host:port,host:port`, or `redis[s]+sentinel://host:port,host:port/name`. */
  url: string
  clock: Clock
  /** An answer later than this is no answer; milliseconds. */
  deadlineMs: number
  told(isUp: boolean): void
}

const CONNECT_MS = 2000
/** A connection that says nothing for so long is closed; a ping comes well before. */
const SILENCE_MS = 6000
const PING_MS = 2000
/** At most once in this time a connection is given up for a new one. */
const RENEW_MS = 2000
const BACKOFF_MS = [50, 100, 200, 500, 1000, 2000]

/**
 * A connection that is there again by itself: it reconnects with growing pauses, holds nothing back while it is away, and is given up for
 * a new one when commands stay without an answer, since a peer that is gone without a word leaves a socket that looks alive.
 */
export class Link {
  readonly isCluster: boolean
  readonly #options: LinkOptions
  #client: Client
  /** Settled once the first attempt to connect has ended, either way. */
  readonly #attempted: Promise<void>
  #hasAttempted = (): void => {}
  #lastReplyAt = 0
  #trouble: Error | undefined
  #openedAt = 0
  #attempts = 0
  #isClosed = false

  constructor(options: LinkOptions) {
    this.#options = options
    this.isCluster = /^rediss?\+cluster:/.test(options.url)
    this.#attempted = new Promise((resolve) => {
      this.#hasAttempted = resolve
    })
    this.#client = this.#make()
    this.#connect(this.#client)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Rejects when there is no connection, and with an error reply. */
  async send(command: string[]): Promise<unknown> {
    if (!this.#client.isReady()) await this.#attempted
    try {
      const reply = await this.#client.send(command)
      this.#lastReplyAt = this.#options.clock.now()
      return reply
    } catch (error) {
      if (error instanceof ErrorReply) this.#lastReplyAt = this.#options.clock.now()
      else if (this.isCluster) this.#renew()
      throw error instanceof ClientOfflineError ? this.#offline(error) : error
    }
  }

  /** The reason why there is no connection says more than that there is none. */
  #offline(error: Error): Error {
    const { message, code } = (this.#trouble ?? error) as Error & { code?: string }
    return new Error(`no connection to Redis: ${message || code}`, { cause: error })
  }

  /** A command has had no answer in time: if nothing else has either, the connection is not what it looks like. */
  stuck(): void {
    if (this.isCluster || this.#options.clock.now() - this.#lastReplyAt >= this.#options.deadlineMs) this.#renew()
  }

  close(): void {
    this.#isClosed = true
    this.#client.destroy()
    this.#hasAttempted()
  }

  /** A cluster's other servers go on answering until the new connections are there: it may be that one of them only is away. */
  #renew(): void {
    const { clock } = this.#options
    const patienceMs = this.#client.isReady() ? RENEW_MS : SILENCE_MS
    if (this.#isClosed || clock.now() - this.#openedAt < patienceMs) return
    this.#openedAt = clock.now()
    const next = this.#make()
    if (!this.isCluster || !this.#client.isReady()) {
      this.#replace(next)
      this.#connect(next)
      return
    }
    next.connect().then(
      () => (this.#isClosed ? next.destroy() : this.#replace(next)),
      () => next.destroy(),
    )
  }

  #replace(next: Client): void {
    const old = this.#client
    this.#client = next
    old.destroy()
  }

  #make(): Client {
    const client: Client = clientFor(this.#options.url, {
      up: () => {
        if (client !== this.#client) return
        this.#attempts = 0
        this.#trouble = undefined
        this.#options.told(true)
        this.#hasAttempted()
      },
      down: (error) => {
        if (client !== this.#client) return
        this.#trouble = error
        this.#options.told(false)
        this.#hasAttempted()
      },
      pause: () => this.#pause(),
    })
    return client
  }

  #connect(client: Client): void {
    this.#openedAt = this.#options.clock.now()
    client.connect().then(this.#hasAttempted, () => this.#retry(client))
  }

  /** A cluster of which no server was there does not try again by itself. */
  #retry(client: Client): void {
    this.#hasAttempted()
    if (this.#isClosed || client !== this.#client) return
    this.#options.told(false)
    this.#options.clock.after(this.#pause(), () => {
      if (this.#isClosed || client !== this.#client) return
      this.#replace(this.#make())
      this.#connect(this.#client)
    })
  }

  #pause(): number {
    return BACKOFF_MS[Math.min(this.#attempts++, BACKOFF_MS.length - 1)]!
  }
}

interface Hooks {
  up(): void
  down(error: Error): void
  pause(): number
}

function clientFor(address: string, hooks: Hooks): Client {
  const [, scheme, kind] = /^(rediss?)(?:\+(cluster|sentinel))?:\/\//.exec(address) ?? []
  if (!scheme)
    throw new TypeError(
      `url: expected redis://, rediss://, redis+cluster:// or redis+sentinel://, got "${hidden(address)}"`,
    )
  const plain = address.replace(/\+(cluster|sentinel):/, ':')
  if (kind === 'cluster') return clusterClient(plain, hooks)
  return kind === 'sentinel' ? sentinelClient(plain, hooks) : singleClient(plain, hooks)
}

function settings(hooks: Hooks, tls: boolean) {
  const socket = {
    connectTimeout: CONNECT_MS,
    socketTimeout: SILENCE_MS,
    reconnectStrategy: () => hooks.pause(),
    ...(tls ? { tls: true as const } : {}),
  }
  return {
    RESP: 2 as const,
    disableOfflineQueue: true,
    pingInterval: PING_MS,
    maintNotifications: 'disabled' as const,
    socket,
  }
}

function singleClient(url: string, hooks: Hooks): Client {
  const client = createClient({ url, ...settings(hooks, url.startsWith('rediss:')) })
  client.on('ready', hooks.up).on('error', hooks.down)
  return {
    send: (command) => client.sendCommand(command),
    connect: () => client.connect(),
    isReady: () => client.isReady,
    destroy: () => quietly(() => client.destroy()),
  }
}

function clusterClient(url: string, hooks: Hooks): Client {
  const { nodes, tls, credentials } = parsed(url)
  const cluster = createCluster({
    rootNodes: nodes.map(({ host, port }) => ({ socket: { host, port } })),
    ...{ RESP: 2 as const },
    // Servers are connected to when they are first needed: one that is away keeps nobody from the others.
    minimizeConnections: true,
    defaults: { ...settings(hooks, tls), ...credentials },
  })
  let isReady = false
  // One server of several that is away is no news of all of them: operations tell.
  cluster.on('error', () => {})
  return {
    send: (command) => cluster.sendCommand(firstKeyOf(command), false, command),
    connect: async () => {
      await cluster.connect()
      isReady = true
      hooks.up()
    },
    isReady: () => isReady,
    destroy: () => quietly(() => cluster.destroy()),
  }
}

function sentinelClient(url: string, hooks: Hooks): Client {
  const { nodes, tls, credentials, path } = parsed(url)
  const { RESP, ...each } = settings(hooks, tls)
  const sentinel = createSentinel({
    name: path,
    sentinelRootNodes: nodes,
    RESP,
    nodeClientOptions: { ...each, ...credentials },
    sentinelClientOptions: each,
  })
  sentinel.on('error', hooks.down)
  let isReady = false
  return {
    send: (command) => sentinel.sendCommand(false, command),
    connect: async () => {
      await sentinel.connect()
      isReady = true
      hooks.up()
    },
    isReady: () => isReady,
    destroy: () => quietly(() => sentinel.destroy()),
  }
}

/** Several hosts, separated by commas, are more than URL reads. */
function parsed(url: string) {
  const [, scheme, userinfo, hosts, path] = /^(rediss?):\/\/(?:([^@/]*)@)?([^/?]+)\/?([^?]*)/.exec(url)!
  const nodes = hosts!.split(',').map((host) => {
    const { hostname, port } = new URL(`${scheme}://${host}`)
    return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379) }
  })
  const [username, password] = (userinfo ?? '').split(':').map(decodeURIComponent)
  const credentials = password === undefined ? {} : { ...(username ? { username } : {}), password }
  return { nodes, tls: scheme === 'rediss', credentials, path: path ?? '' }
}

/** Where the first key of the commands in use stands. */
function firstKeyOf(command: readonly string[]): string | undefined {
  const name = command[0]!.toLowerCase()
  if (name === 'evalsha' || name === 'eval') return command[3]
  if (name === 'xread') return command[command.findIndex((word) => word.toLowerCase() === 'streams') + 1]
  return command[1]
}

function hidden(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//…@')
}

/** What has been closed already is closed. */
function quietly(close: () => unknown): void {
  try {
    void Promise.resolve(close()).catch(() => {})
  } catch {
    // Closed before.
  }
}
