import { connect, type Socket } from 'node:net'
import { type Command, encodeCommand, type Refusal, type Reply, ReplyDecoder, type ReplyLimits } from './resp.ts'

/** Where a Redis is and how it is entered. */
export interface RedisAddress {
  host: string
  port: number
  /** Default: the user `default`. */
  username?: string | undefined
  password?: string | undefined
  /** Default 0. */
  db?: number | undefined
}

export interface LinkOptions {
  /** Replies to nothing that was sent, such as messages of a channel; default: they end the link. */
  onPush?: (reply: Reply) => void
  /** Called once, when the link is lost or was closed. */
  onEnd?: () => void
  /** Milliseconds to get connected; default 2000. */
  connectWithinMs?: number
  /** Milliseconds without an octet while replies are missing; default 10,000. */
  replyWithinMs?: number
  limits?: ReplyLimits
}

/** The Redis cannot be reached, has gone, or does not say anything. The message is a sentence for the developer. */
export class RedisAway extends Error {}

/** One connection to a Redis, already let in. Lost once, it stays lost. */
export interface RedisLink {
  /** Sends all at once, nobody's commands in between. Rejects with RedisAway when the link is lost before the last reply. */
  send(commands: readonly Command[]): Promise<Reply[]>
  /** Sends a command whose replies are pushes. */
  post(command: Command): void
  close(): void
}

/** Connects, gives user and password, chooses the database. Rejects with RedisAway. */
export async function openLink(address: RedisAddress, options: LinkOptions = {}): Promise<RedisLink> {
  const socket = connect({ host: address.host, port: address.port, noDelay: true })
  const link = new SocketLink(socket, address, options)
  const commands = greeting(address)
  await link.connected
  const refused = (await link.send(commands)).find(isRefusal)
  if (refused) {
    link.close()
    throw new RedisAway(`the Redis at ${shown(address)} does not let us in: ${refused.error}; look at REDIS_URL`)
  }
  return link
}

export function isRefusal(reply: Reply): reply is Refusal {
  return reply !== null && typeof reply === 'object' && 'error' in reply
}

function greeting({ username, password, db = 0 }: RedisAddress): Command[] {
  const auth = username ? [['AUTH', username, password ?? '']] : password ? [['AUTH', password]] : []
  return [...auth, ...(db === 0 ? [] : [['SELECT', String(db)]])]
}

interface Waiting {
  replies: Reply[]
  missing: number
  resolve(replies: Reply[]): void
  reject(error: Error): void
}

class SocketLink implements RedisLink {
  readonly connected: Promise<void>
  readonly #socket: Socket
  readonly #address: RedisAddress
  readonly #options: LinkOptions
  readonly #decoder: ReplyDecoder
  #waiting: Waiting[] = []
  #lost: RedisAway | undefined

  constructor(socket: Socket, address: RedisAddress, options: LinkOptions) {
    this.#socket = socket
    this.#address = address
    this.#options = options
    this.#decoder = new ReplyDecoder(options.limits)
    this.connected = new Promise((resolve, reject) => {
      socket.once('connect', () => {
        socket.setTimeout(0)
        resolve()
      })
      socket.once('close', () => reject(this.#lost))
    })
    socket.setTimeout(options.connectWithinMs ?? 2000)
    socket.on('timeout', () => this.#lose('it does not answer'))
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('error', (error: NodeJS.ErrnoException) => this.#lose(error.code ?? error.message))
    socket.on('close', () => this.#lose('it has closed the connection'))
  }

  send(commands: readonly Command[]): Promise<Reply[]> {
    if (this.#lost) return Promise.reject(this.#lost)
    if (commands.length === 0) return Promise.resolve([])
    return new Promise((resolve, reject) => {
      this.#waiting.push({ replies: [], missing: commands.length, resolve, reject })
      this.#socket.setTimeout(this.#options.replyWithinMs ?? 10_000)
      this.#socket.write(Buffer.concat(commands.map(encodeCommand)))
    })
  }

  post(command: Command): void {
    if (!this.#lost) this.#socket.write(encodeCommand(command))
  }

  close(): void {
    this.#lose('this side has closed the connection')
  }

  #read(chunk: Buffer): void {
    if (this.#lost) return
    try {
      for (const reply of this.#decoder.push(chunk)) this.#take(reply)
    } catch (error) {
      this.#lose((error as Error).message)
    }
    if (this.#waiting.length === 0) this.#socket.setTimeout(0)
  }

  #take(reply: Reply): void {
    const first = this.#waiting[0]
    if (!first) {
      if (!this.#options.onPush) throw new Error('it says something nobody asked for')
      this.#options.onPush(reply)
      return
    }
    first.replies.push(reply)
    if (--first.missing > 0) return
    this.#waiting.shift()
    first.resolve(first.replies)
  }

  #lose(reason: string): void {
    if (this.#lost) return
    this.#lost = new RedisAway(`the Redis at ${shown(this.#address)} is not there: ${reason}`)
    this.#socket.destroy()
    for (const { reject } of this.#waiting.splice(0)) reject(this.#lost)
    this.#options.onEnd?.()
  }
}

function shown({ host, port }: RedisAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
