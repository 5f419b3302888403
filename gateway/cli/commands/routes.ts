import type { Manifest } from '../../../functions/contract/envelope.ts'
import { httpFunctions } from '../../http-functions.ts'
import type { FunctionHost } from '../../invocation/host.ts'
import { createInProcessHost } from '../../invocation/in-process.ts'
import { loadApp } from '../../invocation/invoker-load.ts'
import { createRandomIds, systemClock } from '../../system.ts'
import { type Arguments, type Command, Refusal } from '../command.ts'
import { configOf, environment, withOwnApp } from '../settings.ts'

export const routes: Command = {
  name: 'routes',
  usage: 'routes [app.ts] [--json]',
  summary: 'shows which requests your functions take, in the order they are matched',
  options: { json: { help: 'the manifest, as GET /.well-known/rouse answers it' } },
  positionals: { least: 0, most: 1 },
  details: 'An http(s) URL instead of a file asks functions that run somewhere else.',
  run,
}

async function run(args: Arguments): Promise<number> {
  const env = withOwnApp(environment(args, process.env), process.cwd())
  if (!env.FUNCTIONS) throw new Refusal('which app? There is no app.ts here: rouse routes path/to/app.ts')
  const host = await hostOf(env)
  const manifest = await host.manifest()
  await host.close()
  if (!manifest.ok) throw new Refusal(`no routes can be shown: ${manifest.problem.detail}`)
  process.stdout.write(`${args.flags.has('json') ? JSON.stringify(manifest.value, null, 2) : table(manifest.value)}\n`)
  return 0
}

async function hostOf(env: Record<string, string | undefined>): Promise<FunctionHost> {
  const settings = configOf(env)
  const { source } = settings.functions
  if (source.kind === 'url') return httpFunctions(source.url, settings, { clock: systemClock, ids: createRandomIds() })
  const loaded = await loadApp(source.path)
  if (!loaded.ok) throw new Refusal(loaded.message.replace(/^FUNCTIONS: /, ''))
  return createInProcessHost(loaded.app, systemClock, process.env)
}

function table({ routes, handlers, wants = [] }: Manifest): string {
  const rows = [
    ...routes.map(({ method, path }) => [method === '*' ? 'any' : method, path]),
    ...handlers.map((name) => ['on', name]),
    ...wants.map((name) => ['told of', name]),
  ]
  if (rows.length === 0) return 'no routes: the router serves registrations and calls by itself'
  const width = Math.max(...rows.map(([kind]) => kind!.length))
  return rows.map(([kind, name]) => `${kind!.padEnd(width)}  ${name}`).join('\n')
}
