import { parseArgs } from 'node:util'

export const JOBS = [
  ...(['generator', 'relay', 'sipp', 'http', 'wake', 'crowd', 'register', 'memory'] as const),
  ...(['redis-wake', 'redis-register', 'redis-memory'] as const),
] as const
export type JobName = (typeof JOBS)[number]

/** What `npm run bench -- …` may be told. */
export interface Options {
  /** Jobs to run; default all. */
  only: JobName[]
  /** Calls per second of `relay`; the highest clean rate is searched for when `max` is among them. */
  rates: (number | 'max')[]
  /** Calls per second of `http`. */
  httpRates: number[]
  /** Length of one measured run. */
  seconds: number
  /** Calls that wait meanwhile, in `wake`. */
  others: number[]
  /** Calls that one event wakes, in `crowd`. */
  crowds: number[]
  routers: ('gateway' | 'kamailio')[]
  /** Where the figures go as JSON and the table as Markdown. */
  json: string | undefined
  markdown: string | undefined
  /** Directory for CPU profiles of the gateway, one for each time it is started. */
  profile: string | undefined
}

const HELP = `npm run bench -- [--only relay,http] [--rates 500,2000,max] [--http-rates 500,2000] [--seconds 10] [--others 0,10000]
  [--crowds 1000,10000] [--routers gateway,kamailio] [--json out.json] [--markdown out.md] [--profile directory]
jobs: ${JOBS.join(', ')}`

/** Reads the command line; a mistake throws with what was expected. */
export function readOptions(args: string[]): Options {
  const { values } = parseArgs({ args, options: FLAGS })
  if (values.help) throw new Error(HELP)
  return {
    only: oneOf('only', values.only, JOBS),
    rates: list(values.rates).map((rate) => (rate === 'max' ? 'max' : count('rates', rate))),
    httpRates: list(values['http-rates']).map((rate) => count('http-rates', rate)),
    seconds: count('seconds', values.seconds),
    others: list(values.others).map((each) => count('others', each)),
    crowds: list(values.crowds).map((each) => count('crowds', each)),
    routers: oneOf('routers', values.routers, ['gateway', 'kamailio'] as const),
    json: values.json,
    markdown: values.markdown,
    profile: values.profile,
  }
}

const FLAGS = {
  'only': { type: 'string', default: JOBS.join(',') },
  'rates': { type: 'string', default: '500,1000,2000,max' },
  'http-rates': { type: 'string', default: '500,2000' },
  'seconds': { type: 'string', default: '5' },
  'others': { type: 'string', default: '0,10000,100000' },
  'crowds': { type: 'string', default: '1000,10000' },
  'routers': { type: 'string', default: 'gateway,kamailio' },
  'json': { type: 'string' },
  'markdown': { type: 'string' },
  'profile': { type: 'string' },
  'help': { type: 'boolean' },
} as const

function list(value: string): string[] {
  return value.split(',').filter((each) => each !== '')
}

function oneOf<Name extends string>(flag: string, value: string, names: readonly Name[]): Name[] {
  return list(value).map((each) => {
    const name = names.find((known) => known === each)
    if (name === undefined) throw new Error(`--${flag}: expected some of ${names.join(', ')}, got "${each}"\n${HELP}`)
    return name
  })
}

function count(flag: string, value: string): number {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 0 || number > 1_000_000) {
    throw new Error(`--${flag}: expected a number up to 1,000,000, got "${value}"\n${HELP}`)
  }
  return number
}
