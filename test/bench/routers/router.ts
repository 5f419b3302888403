import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Address } from '../generator/endpoint.ts'
import { cpuOf, memoryOf } from '../process-cpu.ts'

/** A router under test: a process (or a family of them) that the generator calls through. */
export interface Router {
  readonly name: string
  readonly sip: Address
  /** Where phones register, when that is not where calls go. */
  readonly registrar?: Address
  /** Base URL of its HTTP API; '' when it has none. */
  readonly http: string
  /** User and system time so far, microseconds, of all its processes and threads. */
  cpuUs(): number
  /** Bytes; memory that its processes share counts once. */
  memoryBytes(): number
  /** `undefined` while it runs, else how it ended. */
  ended(): string | undefined
  /** Ends it and waits until it is gone. */
  stop(): Promise<void>
}

const START_MS = 15_000
const STOP_MS = 4_000

/** Starts a program and waits until it answers. What it says on stderr is shown only when it does not come up. */
export async function startProcess(
  name: string,
  sip: Address,
  http: string,
  command: { file: string; args: string[]; env?: Record<string, string> },
  isUp: () => Promise<boolean>,
): Promise<Router> {
  const child = spawn(command.file, command.args, {
    env: { ...process.env, ...command.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said: string[] = []
  const listen = (text: Buffer) => void (said.length < 200 && said.push(text.toString()))
  child.stderr.on('data', listen)
  child.stdout.on('data', listen)
  child.on('error', (error) => said.push(error.message))
  const deadline = Date.now() + START_MS
  while (!(await isUp())) {
    if (Date.now() > deadline || endOf(child) !== undefined || child.pid === undefined) {
      await stopProcess(child)
      throw new Error(`${name} did not come up:\n${said.join('').slice(-4000)}`)
    }
    await sleep(50)
  }
  const pid = child.pid!
  return {
    ...{ name, sip, http },
    cpuUs: () => cpuOf(pid),
    memoryBytes: () => memoryOf(pid),
    ended: () => endOf(child),
    stop: () => stopProcess(child),
  }
}

/** Whether anything answers an OPTIONS there: the first sign of life of any SIP element. */
export async function answersOptions(sip: Address): Promise<boolean> {
  const socket = createSocket('udp4')
  try {
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const { port } = socket.address()
    const heard = once(socket, 'message').then(() => true)
    heard.catch(() => false)
    socket.send(optionsTo(sip, port), sip.port, sip.host)
    return await Promise.race([heard, sleep(200).then(() => false)])
  } finally {
    socket.close()
  }
}

function optionsTo(sip: Address, port: number): string {
  return `OPTIONS sip:${sip.host}:${sip.port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${port};branch=z9hG4bKup${port}\r\nMax-Forwards: 5\r\nFrom: <sip:bench@${sip.host}>;tag=up\r\nTo: <sip:${sip.host}>\r\nCall-ID: up-${port}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n`
}

function endOf({ exitCode, signalCode }: ChildProcess): string | undefined {
  if (exitCode === null && signalCode === null) return undefined
  return signalCode ?? `code ${exitCode}`
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (endOf(child) !== undefined || child.pid === undefined) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await gone
  clearTimeout(timer)
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
