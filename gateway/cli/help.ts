import type { Command } from './command.ts'

/** `rouse --help` */
export function generalHelp(commands: readonly Command[]): string {
  return [
    'Rouse: an event-driven SIP router whose routing logic is functions.',
    '',
    ...columns(commands.map(({ usage, summary }) => [`rouse ${usage}`, summary])),
    '',
    'rouse <command> --help shows the options of one command, rouse --version which release this is.',
  ].join('\n')
}

/** `rouse dev --help` */
export function commandHelp({ usage, summary, options, details }: Command): string {
  const rows = Object.entries(options).map(([name, { value, help, isAfter }]): [string, string] => [
    `--${name}${value === undefined ? '' : `${isAfter ? ' after' : ''} ${value}`}`,
    help,
  ])
  return [`rouse ${usage}`, '', summary, '', ...columns(rows), ...(details ? ['', details] : [])].join('\n')
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}
