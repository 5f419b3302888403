import { createClient, createCluster, createSentinel } from '@redis/client'

/** A connection, or all the connections to a cluster. */
export interface Client {
  send(command: string[]): Promise<unknown>
  connect(): Promise<unknown>
  isReady(): boolean
  destroy(): void
}

const CONNECT_MS = 2000
/** A connection that says nothing for so long is closed; a ping comes well before. */
export const SILENCE_MS = 6000
const PING_MS = 2000
/** Operations have deadlines; one of the client's own for each command is an AbortSignal that lives for seconds. */
const NO_DEADLINE = { timeout: 0 }

export interface Hooks {
  up(): void
  down(error: Error): void
  /** Milliseconds until it tries again; false: nobody needs it any more. */
  pause(): number | false
  /** Nobody needs it any more: a connection that is opening is not to be used. */
  isOver(): boolean
}

/** @throws TypeError when the address is none of these */
export function clientFor(address: string, hooks: Hooks): Client {
  const [, scheme, kind] = /^(rediss?)(?:\+(cluster|sentinel))?:\/\//.exec(address) ?? []
  if (!scheme)
    throw new TypeError(
      `url: expected redis://, rediss://, redis+cluster:// or redis+sentinel://, got "${hidden(address)}"`,
    )
  const plain = address.replace(/\+(cluster|sentinel):/, ':')
  if (kind === 'cluster') return clusterClient(plain, hooks)
  return kind === 'sentinel' ? sentinelClient(plain, hooks) : singleClient(plain, hooks)
}

interface Credentials {
  username?: string
  password?: string
}

/** @param credentials asked for by each connection that has opened: the client does not close one that was opening when it was destroyed */
function settings(hooks: Hooks, tls: boolean, credentials: Credentials) {
  const credentialsProvider = {
    type: 'async-credentials-provider' as const,
    credentials: async () => {
      if (hooks.isOver()) throw new Error('the connection is not needed any more')
      return credentials
    },
  }
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
    commandOptions: NO_DEADLINE,
    credentialsProvider,
    socket,
  }
}

function singleClient(url: string, hooks: Hooks): Client {
  const { tls, credentials } = parsed(url)
  // Those in the URL would be asked for instead.
  const address = url.replace(/\/\/[^@/]*@/, '//')
  const client = createClient({ url: address, ...settings(hooks, tls, credentials) })
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
    commandOptions: NO_DEADLINE,
    defaults: settings(hooks, tls, credentials),
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
  const { RESP, ...each } = settings(hooks, tls, credentials)
  const { credentialsProvider: _, ...withoutCredentials } = each
  const sentinel = createSentinel({
    name: path,
    sentinelRootNodes: nodes,
    RESP,
    nodeClientOptions: each,
    sentinelClientOptions: withoutCredentials,
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
  const credentials: Credentials = password === undefined ? {} : { ...(username ? { username } : {}), password }
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
