import type { Arguments, Command } from '../command.ts'
import { ENVIRONMENT_NOTE, environment, SETTING_OPTIONS, withOwnApp } from '../settings.ts'

export const start: Command = {
  name: 'start',
  usage: 'start [app.ts] [options]',
  summary: 'runs the router for good: JSON lines as log, no reload, ends calls properly on SIGTERM',
  options: SETTING_OPTIONS,
  positionals: { least: 0, most: 1 },
  details: `Without an app, app.ts of this folder or else the example that comes with Rouse. ${ENVIRONMENT_NOTE}`,
  run,
}

async function run(args: Arguments): Promise<number> {
  Object.assign(process.env, withOwnApp(environment(args, process.env), process.cwd()))
  await import('../../main.ts')
  // It ends the process itself, when it is told to.
  return new Promise(() => {})
}
