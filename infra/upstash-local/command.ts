import type { Result } from '../../functions/contract/problem.ts'
import type { Command, Word } from './resp.ts'

/** What a request says, as commands of Redis; and the commands that no request may say. */

/** A JSON array such as `["SET","key",1]`. Problem: the sentence of the answer. */
export function commandOf(json: unknown): Result<Command, string> {
  if (!Array.isArray(json)) return refused('ERR failed to parse command: expected a JSON array such as ["GET","key"]')
  if (json.length === 0) return refused('ERR empty command')
  return allowed(json.map(wordOf))
}

/** The array of commands that `/pipeline` and `/multi-exec` take: each read on its own. */
export function commandsOf(json: unknown): Result<Result<Command, string>[], string> {
  if (!Array.isArray(json) || !json.every(Array.isArray))
    return refused('ERR failed to parse pipeline request: expected a JSON array of arrays such as [["GET","key"]]')
  if (json.length === 0) return refused('ERR empty pipeline request')
  return { ok: true, value: json.map(commandOf) }
}

/**
 * `/set/key` with a body and `?EX=100`: the path, then the body, then the words of the query.
 * @param path  as it was sent, with its escapes
 * @param query as it was sent, without `?`; `_token` is no word of the command
 */
export function commandOfPath(path: string, body: Uint8Array, query: string): Result<Command, string> {
  try {
    const words: Word[] = path.split('/').slice(1).map(decodeURIComponent)
    if (words.at(-1) === '' && words.length > 1) words.pop()
    return allowed([...words, ...(body.length > 0 ? [body] : []), ...wordsOfQuery(query)])
  } catch {
    return refused('ERR failed to parse command: the path or the query has a % that is no escape')
  }
}

function wordsOfQuery(query: string): string[] {
  const pairs = query.split('&').filter(Boolean)
  const words = pairs.map((pair) => /^([^=]*)=?(.*)$/s.exec(pair)!.slice(1).map(unescaped))
  return words.filter(([name]) => name !== '_token').flatMap(([name, value]) => (value ? [name!, value] : [name!]))
}

function unescaped(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '))
}

/** Redis knows strings only: numbers and booleans as they are written in JSON, objects and arrays as JSON. */
function wordOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

const BLOCKS = 'it would hold up every request, which share one connection; ask again after a while instead'
const TRANSACTION = 'send the commands of a transaction to /multi-exec'
const STATE = 'a request has no connection of its own whose state it could change'
const PUBSUB = 'read a channel from /subscribe/<channel>'
const ADMIN = 'it is no command for an application'

const REFUSED: Readonly<Record<string, string>> = {
  ...because(BLOCKS, 'BLPOP BRPOP BLMOVE BLMPOP BRPOPLPUSH BZPOPMIN BZPOPMAX BZMPOP WAIT WAITAOF MIGRATE'),
  ...because(TRANSACTION, 'MULTI EXEC DISCARD WATCH UNWATCH'),
  ...because(STATE, 'SELECT AUTH HELLO QUIT RESET CLIENT ASKING READONLY READWRITE'),
  ...because(PUBSUB, 'SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE'),
  ...because(ADMIN, 'MONITOR SYNC PSYNC REPLCONF REPLICAOF SLAVEOF FAILOVER SHUTDOWN DEBUG CONFIG MODULE'),
}

function because(reason: string, names: string): Record<string, string> {
  return Object.fromEntries(names.split(' ').map((name) => [name, reason]))
}

function allowed(command: Command): Result<Command, string> {
  const name = text(command[0]).toUpperCase()
  const reason = isBlockingRead(name, command) ? BLOCKS : Object.hasOwn(REFUSED, name) ? REFUSED[name] : undefined
  return reason === undefined ? { ok: true, value: command } : refused(unavailable(name, reason))
}

/** `XREAD … BLOCK ms STREAMS …`, where what follows STREAMS are names, and so are the two words after GROUP. */
function isBlockingRead(name: string, command: Command): boolean {
  if (name !== 'XREAD' && name !== 'XREADGROUP') return false
  const options = command.slice(name === 'XREAD' ? 1 : 4).map((word) => text(word).toUpperCase())
  const names = options.indexOf('STREAMS')
  return options.slice(0, names < 0 ? undefined : names).includes('BLOCK')
}

function unavailable(name: string, reason: string): string {
  return `ERR Command is not available: '${name}'. Over REST ${reason}`
}

function text(word: Word | undefined): string {
  return typeof word === 'string' ? word : Buffer.from(word ?? []).toString('latin1')
}

function refused(problem: string): { ok: false; problem: string } {
  return { ok: false, problem }
}
