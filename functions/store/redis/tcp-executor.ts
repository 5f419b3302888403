import { ErrorReply } from '@redis/client'
import type { Requester, UpstashRequest, UpstashResponse } from '@upstash/redis'
import { type Executor, type Lane, RawRedis } from './executor.ts'
import { Link, type LinkOptions } from './tcp-link.ts'

/** Redis over TCP. The commands of one turn leave together and come back in one round trip. */
export function tcpExecutor(options: LinkOptions): Executor {
  const link = new Link(options)
  return Object.assign(laneOf(link), {
    isCluster: link.isCluster,
    openReader: () => laneOf(new Link({ ...options, told: () => {} })),
  })
}

function laneOf(link: Link): Lane {
  return {
    redis: new RawRedis(requester(link)),
    stuck: () => link.stuck(),
    get isClosed() {
      return link.isClosed
    },
    close: () => link.close(),
  }
}

/** What `@upstash/redis` asks of HTTP: `body` is a command, or with the path `pipeline` a list of them. */
function requester(link: Link): Requester {
  const answer = async (command: unknown[]): Promise<UpstashResponse<unknown>> => {
    try {
      return { result: await link.send(command.map(String)) }
    } catch (error) {
      if (error instanceof ErrorReply) return { error: error.message }
      throw error
    }
  }
  const request = ({ path, body }: UpstashRequest): Promise<unknown> => {
    const commands = body as unknown[]
    return path?.[0] === 'pipeline'
      ? Promise.all(commands.map((command) => answer(command as unknown[])))
      : answer(commands)
  }
  return { request: request as Requester['request'] }
}
