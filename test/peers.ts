import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

/** A program from outside that tests meet. */
export interface Peer {
  program: string
  /** Debian package that brings it. */
  package: string
}

/** Installed before the tests where it may be. */
export const TEST_PEERS: readonly Peer[] = [
  { program: 'sipp', package: 'sip-tester' },
  { program: 'baresip', package: 'baresip-core' },
  { program: 'linphonec', package: 'linphone-cli' },
  { program: 'sipsak', package: 'sipsak' },
  { program: 'svmap', package: 'sipvicious' },
  { program: 'sngrep', package: 'sngrep' },
  { program: 'tshark', package: 'tshark' },
  { program: 'kamailio', package: 'kamailio' },
  { program: 'rabbitmq-server', package: 'rabbitmq-server' },
  { program: 'redis-server', package: 'redis-server' },
  { program: 'python3', package: 'python3' },
  { program: 'rtpengine', package: 'rtpengine-daemon' },
]

/** Met by tests where they are there anyway. */
const OTHER_PEERS: readonly Peer[] = [
  { program: 'systemd-analyze', package: 'systemd' },
  { program: 'kubectl', package: 'kubectl' },
]

/** What came of looking for peers: `missing` says why for each, empty when all are there. */
export interface PeerReport {
  installed: Peer[]
  missing: { peer: Peer; reason: string }[]
}

const UPDATE_DEADLINE_MS = 60_000
const INSTALL_DEADLINE_MS = 180_000

/**
 * Reason for a test to be skipped: which of the programs is absent and how to get it.
 * @returns `false` when all are there, as `skip` of node:test takes it
 */
export function absent(...programs: string[]): string | false {
  const missing = programs.filter((program) => !isThere(program))
  if (missing.length === 0) return false
  const packages = missing.map(packageOf)
  return `${missing.join(', ')} not installed (apt-get install ${packages.join(' ')})`
}

/** Installs the peers that are missing, with apt-get, where this process may; bounded in time, never throws. */
export async function installPeers(peers: readonly Peer[]): Promise<PeerReport> {
  const wanted = peers.filter((peer) => !isThere(peer.program))
  if (wanted.length === 0) return { installed: [], missing: [] }
  const refusal = whyNot() ?? (await installTogetherOrApart(wanted))
  const missing = wanted.filter((peer) => !isThere(peer.program))
  return {
    installed: wanted.filter((peer) => !missing.includes(peer)),
    missing: missing.map((peer) => ({ peer, reason: refusal ?? `the package ${peer.package} did not bring it` })),
  }
}

function packageOf(program: string): string {
  return [...TEST_PEERS, ...OTHER_PEERS].find((peer) => peer.program === program)?.package ?? program
}

function whyNot(): string | undefined {
  if (process.env.INSTALL_PEERS === 'no') return 'INSTALL_PEERS=no'
  if (!isThere('apt-get')) return 'no apt-get here'
  return process.getuid?.() === 0 ? undefined : 'installing needs root'
}

/** One bad package must not cost the others: when they do not install together, each is tried alone. */
async function installTogetherOrApart(peers: Peer[]): Promise<string | undefined> {
  try {
    await apt(['update'], UPDATE_DEADLINE_MS)
    await install(peers)
    return undefined
  } catch {
    return installApart(peers)
  }
}

/** @returns what was said against the last one that could not be installed */
async function installApart(peers: Peer[]): Promise<string | undefined> {
  let refusal: string | undefined
  for (const peer of peers) {
    await install([peer]).catch((error) => {
      refusal = lastLine(error)
    })
  }
  return refusal
}

function install(peers: Peer[]): Promise<unknown> {
  const packages = peers.map((peer) => peer.package)
  return apt(['install', '-y', '--no-install-recommends', ...packages], INSTALL_DEADLINE_MS)
}

function apt(args: string[], timeout: number): Promise<unknown> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return promisify(execFile)('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=60', ...args], { timeout, env })
}

function lastLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string }
  return (stderr || message).trim().split('\n').at(-1) ?? message
}

function isThere(program: string): boolean {
  const path = `${process.env.PATH ?? ''}${delimiter}/usr/sbin${delimiter}/sbin`
  return path.split(delimiter).some((directory) => isExecutable(join(directory, program)))
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
