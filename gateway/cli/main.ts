import { reasonOf } from '../../functions/contract/reason.ts'
import { nearest } from '../nearest.ts'
import { readArguments } from './arguments.ts'
import { type Command, Refusal } from './command.ts'
import { dev } from './commands/dev.ts'
import { init } from './commands/init.ts'
import { phone } from './commands/phone.ts'
import { routes } from './commands/routes.ts'
import { start } from './commands/start.ts'
import { commandHelp, generalHelp } from './help.ts'
import { ownPackage } from './own-package.ts'

/** `rouse <command>`: begun by rouse.js. */

const COMMANDS: readonly Command[] = [init, dev, phone, routes, start]
/** What cannot be done was said; what was asked for cannot be understood either. */
const MISTAKE = 2

process.exit(await main(process.argv.slice(2)))

async function main([name, ...rest]: string[]): Promise<number> {
  try {
    if (name === undefined || name === '--help' || name === '-h' || name === 'help') return tell(generalHelp(COMMANDS))
    if (name === '--version' || name === '-v') return tell(ownPackage().version)
    const command = COMMANDS.find((each) => each.name === name)
    if (!command) throw new Refusal(unknown(name), 'rouse --help tells more')
    if (rest.includes('--help') || rest.includes('-h')) return tell(commandHelp(command))
    return await command.run(readArguments(command, rest))
  } catch (error) {
    for (const sentence of sentencesOf(error)) process.stderr.write(`rouse: ${sentence}\n`)
    return MISTAKE
  }
}

function tell(text: string): number {
  process.stdout.write(`${text}\n`)
  return 0
}

function unknown(name: string): string {
  const names = COMMANDS.map((command) => command.name)
  const near = nearest(name, names)
  return `"${name}" is no command${near ? `; did you mean ${near}?` : `; there are ${names.join(', ')}`}`
}

function sentencesOf(error: unknown): readonly string[] {
  if (error instanceof Refusal) return error.sentences
  return [reasonOf(error)]
}
