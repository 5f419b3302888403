import { existsSync } from 'node:fs'
import { formatHost } from '../../../functions/contract/uri/sip-uri.ts'
import { createRandomIds, systemClock } from '../../system.ts'
import { type Arguments, type Command, Refusal } from '../command.ts'
import { type Session, startSession } from '../dev/session.ts'
import { configOf, ENVIRONMENT_NOTE, environment, SETTING_OPTIONS, withOwnApp } from '../settings.ts'
import { untilStopped } from './until-stopped.ts'

export const dev: Command = {
  name: 'dev',
  usage: 'dev [app.ts] [options]',
  summary: 'starts a router and your functions, draws every call, loads the functions anew when you save',
  options: SETTING_OPTIONS,
  positionals: { least: 0, most: 1 },
  details: `A call that waits goes on waiting while the functions are loaded anew. ${ENVIRONMENT_NOTE}\nSimulated phones: rouse phone --help`,
  run,
}

async function run(args: Arguments): Promise<number> {
  // Nobody who develops wants to wait for calls that nobody waits for.
  const defaults = { LOG_LEVEL: 'warn', DRAIN_SECONDS: '0' }
  const env = withOwnApp(environment(args, { ...defaults, ...process.env }), process.cwd())
  if (!env.FUNCTIONS) {
    throw new Refusal('which app? There is no app.ts here: rouse dev path/to/app.ts, or rouse init my-routes for one')
  }
  const settings = configOf(env)
  const { source } = settings.functions
  if (source.kind === 'module' && !existsSync(source.path)) throw new Refusal(`${source.path} does not exist`)
  const print = (line: string) => void process.stdout.write(`${line}\n`)
  const session = await startSession({
    settings,
    env,
    folder: process.cwd(),
    clock: systemClock,
    ids: createRandomIds(),
    print,
  })
  print(greeting(session, env.FUNCTIONS, settings.sip.domains[0]))
  await untilStopped()
  await session.stop()
  return 0
}

function greeting({ gateway }: Session, app: string, domain = '127.0.0.1'): string {
  const listeners = gateway.listeners.map(
    ({ transport, address, port }) => `${transport}://${formatHost(address)}:${port}`,
  )
  const { advertisedHost, advertisedPort } = gateway.listeners[0]!
  const server = `${advertisedHost}:${advertisedPort}`
  const options = [
    ...(server === '127.0.0.1:5060' ? [] : [`--server ${server}`]),
    ...(domain === advertisedHost ? [] : [`--domain ${domain}`]),
  ].join(' ')
  const phone = (text: string) => `  npx rouse phone ${text}${options && ` ${options}`}`
  return [
    'Rouse is ready.',
    `  SIP        ${listeners.join(', ')}`,
    `  HTTP       ${gateway.httpUrl}   (calls, registrations, events, metrics)`,
    `  functions  ${app}`,
    'Try it in two other terminals:',
    phone('bob --register --asleep --answer after 2s'),
    phone('alice --call bob --hangup after 5s'),
    '',
  ].join('\n')
}
