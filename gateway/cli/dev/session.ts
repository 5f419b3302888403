import { relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Clock, IdSource } from '../../../functions/contract/clock.ts'
import type { Invocation } from '../../../functions/contract/envelope.ts'
import type { Config } from '../../config.ts'
import { httpFunctions } from '../../http-functions.ts'
import type { FunctionHost, InvokeOptions } from '../../invocation/host.ts'
import { createLog } from '../../observe/log.ts'
import { type OpenGateway, openGateway } from '../../open.ts'
import type { PushSender } from '../../push/types.ts'
import { PHONE_PROVIDER, wakePhone } from '../phone/wake-up.ts'
import { LiveLadder } from './live-ladder.ts'
import { ReloadingFunctions } from './reloading-functions.ts'

export interface SessionOptions {
  settings: Config
  env: Readonly<Record<string, string | undefined>>
  /** Paths are shown from here. */
  folder: string
  clock: Clock
  ids: IdSource
  print(line: string): void
}

/** A gateway and the functions it asks, both of them watched. */
export interface Session {
  gateway: OpenGateway
  stop(): Promise<void>
}

/** Opens both. Rejects with what cannot be had: an address, Redis. Functions that cannot be loaded yet are no reason. */
export async function startSession(options: SessionOptions): Promise<Session> {
  const { settings, clock, print } = options
  const ladder = new LiveLadder(clock, print)
  const stops: (() => unknown)[] = []
  const functions = await functionsOf(options, () => gateway?.refreshManifest())
  const log = createLog(settings.logLevel, { write: (line) => print(logLine(line)) })
  let gateway: OpenGateway | undefined
  try {
    gateway = await openGateway(settings, log, stops, {
      functions: seen(functions, ladder),
      push: (sender) => withPhones(sender, ladder),
      tap: ladder,
    })
  } catch (error) {
    await functions.close()
    throw error
  }
  return {
    gateway,
    stop: async () => {
      for (const each of stops.reverse()) await each()
    },
  }
}

async function functionsOf(
  { settings, env, folder, clock, ids, print }: SessionOptions,
  onReload: () => unknown,
): Promise<FunctionHost> {
  const { source } = settings.functions
  if (source.kind === 'url') return httpFunctions(source.url, settings, { clock, ids })
  const functions = new ReloadingFunctions({
    file: source.path.startsWith('file:') ? fileURLToPath(source.path) : resolve(folder, source.path),
    env,
    clock,
    onReload: async (changed) => {
      await onReload()
      print(`\nreloaded: ${relative(folder, changed)} was saved`)
    },
    onBroken: (message, isFirst) =>
      print(`\nnot loaded, ${isFirst ? 'calls fail until it is mended' : 'the code of before goes on'}: ${message}`),
    onStray: (message) => print(`\nthe functions threw: ${message}`),
  })
  await functions.start()
  return functions
}

/** The same functions; every question and answer is drawn. */
function seen(host: FunctionHost, ladder: LiveLadder): FunctionHost {
  return {
    manifest: () => host.manifest(),
    async invoke(path: string, invocation: Invocation, options: InvokeOptions) {
      ladder.asked(path, invocation)
      const reply = await host.invoke(path, invocation, options)
      ladder.replied(invocation, reply)
      return reply
    },
    close: () => host.close(),
  }
}

/** Pushes to simulated phones go to these, all others to where the settings say. */
function withPhones(sender: PushSender, ladder: LiveLadder): PushSender {
  return {
    async send(message) {
      ladder.pushed(message)
      const result = await (message.provider === PHONE_PROVIDER ? wakePhone(message) : sender.send(message))
      if (result.outcome !== 'accepted') ladder.notPushed(message, result)
      return result
    },
  }
}

/** A line of the log for people: `warn  manifest not refreshed  detail=…` */
function logLine(line: string): string {
  const { level, time: _time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>
  const details = Object.entries(fields).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  return [`${level}: ${msg}`, ...details].join('  ')
}
