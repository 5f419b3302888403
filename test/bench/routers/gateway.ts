import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Router, startProcess } from './router.ts'

/** The gateway as an operator starts it: its own process, memory store, no other setting than where to listen and what to run. */

const MAIN = fileURLToPath(new URL('../../../gateway/main.ts', import.meta.url))

export const DOMAIN = 'bench.example'

export interface GatewayOptions {
  /** A module that runs in process, or an http URL. */
  functions: string
  sipPort: number
  httpPort: number
  /** Where its CPU profile goes when it ends. */
  profile: string | undefined
}

/** Why it cannot be run here, `undefined` when it can. */
export function gatewayMissing(): string | undefined {
  return existsSync(MAIN) ? undefined : 'gateway/main.ts does not exist'
}

export function startGateway({ functions, sipPort, httpPort, profile }: GatewayOptions): Promise<Router> {
  const sip = { host: '127.0.0.1', port: sipPort }
  const http = `http://127.0.0.1:${httpPort}`
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const env = {
    SIP_LISTEN: `udp://127.0.0.1:${sipPort}`,
    SIP_DOMAINS: DOMAIN,
    HTTP_LISTEN: `127.0.0.1:${httpPort}`,
    FUNCTIONS: functions,
    LOG_LEVEL: 'error',
  }
  const command = { file: process.execPath, args: [...profiling, MAIN], env }
  return startProcess('rouse', sip, http, command, () => isHealthy(http))
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
