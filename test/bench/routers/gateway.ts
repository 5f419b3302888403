import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Router, startProcess } from './router.ts'

/** The gateway as an operator starts it: its own process, no other setting than where to listen, what to run, and where to keep it. */

const MAIN = fileURLToPath(new URL('../../../gateway/main.ts', import.meta.url))

export const DOMAIN = 'bench.example'

export interface GatewayOptions {
  /** A module that runs in process, or an http URL. */
  functions: string
  sipPort: number
  httpPort: number
  /** Where its CPU profile goes when it ends. */
  profile: string | undefined
  /** Without it, what it keeps is in its memory. */
  redisUrl?: string
  id?: string
}

/** Why it cannot be run here, `undefined` when it can. */
export function gatewayMissing(): string | undefined {
  return existsSync(MAIN) ? undefined : 'gateway/main.ts does not exist'
}

export function startGateway(options: GatewayOptions): Promise<Router> {
  const { functions, sipPort, httpPort, profile, redisUrl, id = 'bench' } = options
  const sip = { host: '127.0.0.1', port: sipPort }
  const http = `http://127.0.0.1:${httpPort}`
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const env = {
    SIP_LISTEN: `udp://127.0.0.1:${sipPort}`,
    SIP_DOMAINS: DOMAIN,
    HTTP_LISTEN: `127.0.0.1:${httpPort}`,
    FUNCTIONS: functions,
    FUNCTIONS_UNSIGNED: 'loopback',
    LOG_LEVEL: 'error',
    GATEWAY_ID: id,
    ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl }),
  }
  const command = { file: process.execPath, args: [...profiling, MAIN], env }
  return startProcess(redisUrl === undefined ? 'rouse' : 'rouse with Redis', sip, http, command, () => isHealthy(http))
}

async function isHealthy(http: string): Promise<boolean> {
  try {
    const response = await fetch(`${http}/healthz`)
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}
