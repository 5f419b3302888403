import { parseArgs } from 'node:util'
import { nearest } from '../nearest.ts'
import { type Arguments, type Command, Refusal } from './command.ts'

/**
 * Reads what stands behind the name of a command.
 * @throws Refusal that names every option that is unknown, with the nearest one there is, or lacks its value
 */
export function readArguments(
  command: Pick<Command, 'name' | 'usage' | 'options' | 'positionals'>,
  argv: readonly string[],
): Arguments {
  const { options, positionals } = command
  const { tokens } = parseArgs({
    args: withoutAfter(argv, options),
    options: Object.fromEntries(
      Object.entries(options).map(([name, { value }]) => [name, { type: value === undefined ? 'boolean' : 'string' }]),
    ),
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  const values: Record<string, string | undefined> = {}
  const flags = new Set<string>()
  const rest: string[] = []
  const faults: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') rest.push(token.value)
    if (token.kind !== 'option') continue
    const fault = faultOf(token, options)
    if (fault) faults.push(fault)
    else if (options[token.name]!.value === undefined) flags.add(token.name)
    else values[token.name] = token.value
  }
  if (rest.length > positionals.most)
    faults.push(`"${rest[positionals.most]}" is one argument too many: rouse ${command.usage}`)
  if (rest.length < positionals.least) faults.push(`something is missing: rouse ${command.usage}`)
  if (faults.length > 0) throw new Refusal(...faults, `rouse ${command.name} --help tells more`)
  return { positionals: rest, values, flags }
}

function faultOf(
  { name, rawName, value }: { name: string; rawName: string; value: string | undefined },
  options: Command['options'],
): string | undefined {
  if (!Object.hasOwn(options, name)) {
    const near = nearest(name, Object.keys(options))
    return `${rawName} is no option here${near ? `; did you mean --${near}?` : ''}`
  }
  const wanted = options[name]!.value
  if (wanted === undefined && value !== undefined) return `--${name}: expected no value, got "${value}"`
  if (wanted !== undefined && (value === undefined || value === '')) {
    return `--${name}: expected a value, for example --${name} ${wanted}`
  }
  return undefined
}

function withoutAfter(argv: readonly string[], options: Command['options']): string[] {
  return argv.filter((word, at) => {
    const before = argv[at - 1] ?? ''
    return !(word === 'after' && before.startsWith('--') && options[before.slice(2)]?.isAfter)
  })
}
