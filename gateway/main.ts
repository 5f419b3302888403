import { setFlagsFromString } from 'node:v8'
import { reasonOf } from '../functions/contract/reason.ts'
import { type Config, readConfig } from './config.ts'
import { greeting } from './greeting.ts'
import { createLog } from './observe/log.ts'
import { openGateway } from './open.ts'

/** The gateway as a process: reads the environment, opens the sockets, says where it listens, stops on SIGTERM and SIGINT. */

// Little of what a call needs outlives it: one thread collects that sooner than several that wait for each other on busy cores.
setFlagsFromString('--no-parallel-scavenge')

const config = readConfig(process.env)
if (!config.ok) refuse(config.problem.map(({ message }) => message))
await run(config.value)

async function run(settings: Config): Promise<void> {
  const log = createLog(settings.logLevel)
  const stops: (() => unknown)[] = []
  try {
    const gateway = await openGateway(settings, log, stops)
    process.stdout.write(`${greeting(settings, gateway.listeners, gateway.httpUrl)}\n`)
  } catch (error) {
    refuse([reasonOf(error)])
  }
  const stop = async (signal: string) => {
    log.info('stopping', { signal })
    for (const each of stops.reverse()) await each()
    log.flush()
    process.exit(0)
  }
  // A stray error of a handler in this process, or of ours, is told; it must not end everybody's calls.
  process.on('unhandledRejection', (error) => log.error('unhandled rejection', { error: String(error) }))
  process.on('uncaughtException', (error) => log.error('uncaught exception', { error: error.stack ?? String(error) }))
  process.once('SIGTERM', (signal) => void stop(signal))
  process.once('SIGINT', (signal) => void stop(signal))
}

function refuse(sentences: readonly string[]): never {
  for (const sentence of sentences) process.stderr.write(`rouse: ${sentence}\n`)
  process.exit(1)
}
