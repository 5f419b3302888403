import { Redis, type Requester } from '@upstash/redis'

/** A way to Redis: the commands of one turn leave in order. */
export interface Lane {
  redis: Redis
  /** A command has had no answer within its deadline. */
  stuck(): void
  readonly isClosed: boolean
  close(): void
}

/** What carries commands to Redis: HTTP, or TCP. Both speak as `@upstash/redis` does. */
export interface Executor extends Lane {
  /** Commands of one pipeline may go to several servers, in no order. */
  isCluster: boolean
  /** A connection of its own, for a reader that blocks; absent where nothing can block: poll. */
  openReader?(): Lane
}

/**
 * `@upstash/redis` over any requester. Replies stay as they came: by default a text of digits would become a number, and `"true"` a
 * boolean.
 */
export class RawRedis extends Redis {
  constructor(requester: Requester) {
    super(requester)
    this.opts = { automaticDeserialization: false }
  }
}
