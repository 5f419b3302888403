import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Reader, SettingsError } from '../contract/settings.ts'
import { secretSetting } from '../contract/settings-values.ts'
import { type App, listenerOf } from './node-listener.ts'

/**
 * Serves an app over HTTP on Node: `WEBHOOK_SECRET=whsec_… node functions/entry/node.ts ./app.ts`.
 * `WEBHOOK_SECRET` is the gateway's; `FUNCTIONS_UNSIGNED=loopback` does without on this machine. `PORT` (default 3000, 0 takes a free one) and
 * `HOST` (default 127.0.0.1) say where; SIGTERM and SIGINT stop it.
 */

/** Milliseconds that invocations under way get when it stops: more than a gateway waits for any. */
const STOP_WITHIN_MS = 5000

interface Loaded extends App {
  /** It does not trust the gateway alone, as routes do, and says itself whom. */
  checksSenders?: true
}

const app = await loadApp(process.argv[2])
const port = readPort(process.env.PORT)
const hostname = process.env.HOST || '127.0.0.1'
if (!app.checksSenders) checkTrust()
const server = createServer(listenerOf(app, process.env))
server.listen(port, hostname, () => {
  const { address, port } = server.address() as AddressInfo
  process.stdout.write(`listening on http://${address.includes(':') ? `[${address}]` : address}:${port}\n`)
})
let underWay = 0
let isStopping = false
server.on('request', (_request, response) => count(response))
server.on('error', (error) => refuse(`cannot listen on ${hostname}:${port}: ${error.message}`))
process.once('SIGTERM', () => void stop())
process.once('SIGINT', () => void stop())

async function loadApp(path: string | undefined): Promise<Loaded> {
  if (path === undefined) refuse('which app? node functions/entry/node.ts ./app.ts')
  const file = resolve(path)
  if (!existsSync(file)) refuse(`${file} does not exist; name the module that exports the router`)
  const { default: loaded } = await import(pathToFileURL(file).href).catch(refuseSettings)
  if (typeof loaded?.fetch !== 'function')
    refuse(`${file} has no default export with fetch; end it with: export default sip`)
  return loaded
}

/** Settings that cannot be used are told without where in the code that was noticed. */
function refuseSettings(error: unknown): never {
  if (error instanceof SettingsError) refuse(error.message)
  throw error
}

function readPort(text = '3000'): number {
  const port = Number(text)
  if (text === '' || !Number.isInteger(port) || port < 0 || port > 65_535)
    refuse(`PORT: expected 0 to 65535, got "${text}"`)
  return port
}

/** The router itself refuses what is not signed; a function that could only refuse is better not started. */
function checkTrust(): void {
  const read = new Reader(process.env)
  read.value('WEBHOOK_SECRET', secretSetting)
  for (const { message } of read.faults) refuse(message)
  if (read.has('WEBHOOK_SECRET')) return
  const { FUNCTIONS_UNSIGNED } = process.env
  if (!/\bloopback\b/i.test(FUNCTIONS_UNSIGNED ?? '')) {
    refuse(
      'WEBHOOK_SECRET: expected the secret of the gateway, got nothing; make one with: echo whsec_$(openssl rand -base64 32), or set FUNCTIONS_UNSIGNED=loopback on both sides',
    )
  }
  if (!/^(localhost|127(\.\d{1,3}){3}|::1)$/.test(hostname)) {
    refuse(
      `FUNCTIONS_UNSIGNED: loopback is for this machine alone, but HOST is ${hostname}; set WEBHOOK_SECRET instead`,
    )
  }
}

/** Invocations under way are answered; connections that wait for nothing would keep the process for seconds. */
async function stop(): Promise<void> {
  isStopping = true
  const deadline = setTimeout(() => server.closeAllConnections(), STOP_WITHIN_MS)
  server.close()
  if (underWay === 0) server.closeAllConnections()
  await once(server, 'close')
  clearTimeout(deadline)
}

function count(response: ServerResponse): void {
  underWay++
  response.once('close', () => {
    underWay--
    if (isStopping && underWay === 0) server.closeAllConnections()
  })
}

function refuse(sentence: string): never {
  process.stderr.write(`rouse: ${sentence}\n`)
  process.exit(1)
}
