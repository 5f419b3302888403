import { startUpstashLocal } from './server.ts'
import { readSettings } from './settings.ts'

/** The server as a process: reads the environment, says where it listens, stops on SIGTERM and SIGINT. */

const settings = readSettings(process.env)
if (!settings.ok) refuse(settings.problem)
const server = await startUpstashLocal(settings.value).catch((error: Error) => refuse([error.message]))
process.once('SIGTERM', () => void server.close())
process.once('SIGINT', () => void server.close())

const { redis, token } = settings.value
process.stdout.write(
  [
    `upstash-local is ready, over the Redis at ${redis.host}:${redis.port}. For your functions:`,
    `  UPSTASH_REDIS_REST_URL=${server.url}`,
    `  UPSTASH_REDIS_REST_TOKEN=${token === undefined ? 'any' : '<your UPSTASH_LOCAL_TOKEN>'}`,
    '',
  ].join('\n'),
)

function refuse(sentences: readonly string[]): never {
  for (const sentence of sentences) process.stderr.write(`upstash-local: ${sentence}\n`)
  process.exit(1)
}
