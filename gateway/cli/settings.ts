import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Config, type Environment, readConfig } from '../config.ts'
import { type Arguments, type OptionSpec, Refusal } from './command.ts'

/** Which setting an option stands for; the environment has all of them. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen: 'SIP_LISTEN',
  advertise: 'SIP_ADVERTISE',
  domains: 'SIP_DOMAINS',
  http: 'HTTP_LISTEN',
  redis: 'REDIS_URL',
  log: 'LOG_LEVEL',
}

export const SETTING_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  listen: { value: '127.0.0.1:5060', help: 'where SIP listens, over UDP and TCP; or as SIP_LISTEN: udp://…,tcp://…' },
  advertise: { value: 'host:port', help: 'the address phones reach it at (SIP_ADVERTISE)' },
  domains: { value: 'example.com', help: 'domains it is responsible for, comma separated (SIP_DOMAINS)' },
  http: { value: '127.0.0.1:8080', help: 'where the HTTP API listens (HTTP_LISTEN)' },
  redis: { value: 'redis://127.0.0.1', help: 'where registrations and waiting calls are kept (REDIS_URL)' },
  log: { value: 'info', help: 'debug, info, warn, error or silent (LOG_LEVEL)' },
}

export const ENVIRONMENT_NOTE = 'Every setting of the README may be set in the environment as well; options go first.'

/** The environment with what the options say, and with the app that was named. */
export function environment({ values, positionals }: Arguments, env: Environment): Record<string, string | undefined> {
  const read: Record<string, string | undefined> = { ...env }
  for (const [option, setting] of Object.entries(SETTINGS))
    if (values[option] !== undefined) read[setting] = values[option]
  if (values.listen !== undefined && !values.listen.includes('://')) {
    read.SIP_LISTEN = `udp://${values.listen},tcp://${values.listen}`
  }
  if (positionals[0] !== undefined) read.FUNCTIONS = positionals[0]
  return read
}

/** `app.ts`, or what a compiler made of it, when it is there and nothing else was named. */
export function withOwnApp(
  env: Record<string, string | undefined>,
  folder: string,
): Record<string, string | undefined> {
  if (env.FUNCTIONS?.trim()) return env
  const own = ['app.ts', 'app.js', 'app.mjs'].map((name) => resolve(folder, name)).find((file) => existsSync(file))
  return own === undefined ? env : { ...env, FUNCTIONS: own }
}

/** @throws Refusal with every mistake in the settings */
export function configOf(env: Environment): Config {
  const config = readConfig(env)
  if (!config.ok) throw new Refusal(...config.problem.map(({ message }) => message))
  return config.value
}
