import { createClient } from '@redis/client'
import { eventually } from '../interop/program.ts'
import { startRedis, type TestRedis } from './redis-server.ts'

/** Masters of a cluster, each with its part of the slots and no replica. */
export interface TestCluster {
  /** `redis+cluster://127.0.0.1:27181,127.0.0.1:27182` */
  readonly url: string
  readonly servers: readonly TestRedis[]
  stop(): Promise<void>
}

const SLOTS = 16_384

export async function startRedisCluster(ports: readonly number[]): Promise<TestCluster> {
  const servers = await startAll(ports)
  const share = Math.ceil(SLOTS / ports.length)
  for (const [index, { url }] of servers.entries()) {
    const last = Math.min(share * (index + 1), SLOTS) - 1
    await ask(url, 'CLUSTER', 'ADDSLOTSRANGE', String(share * index), String(last))
    await ask(url, 'CLUSTER', 'MEET', '127.0.0.1', String(ports[0]), String(ownPort(ports[0]!)))
  }
  for (const { url } of servers) {
    const isWhole = async () => String(await ask(url, 'CLUSTER', 'INFO')).includes('state:ok') || undefined
    await eventually('the cluster is whole', isWhole)
  }
  return {
    url: `redis+cluster://${ports.map((port) => `127.0.0.1:${port}`).join(',')}`,
    servers,
    stop: async () => void (await Promise.all(servers.map((server) => server.stop()))),
  }
}

/** All of them or none: one that is left would keep the tests from ending. */
async function startAll(ports: readonly number[]): Promise<TestRedis[]> {
  const started = await Promise.allSettled(ports.map(startMaster))
  const servers = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const failed = started.find((one) => one.status === 'rejected')
  if (!failed) return servers
  await Promise.all(servers.map((server) => server.stop()))
  throw failed.reason
}

/** Where masters talk to each other: below the ports that the system gives to outgoing connections, of which anybody may have any. */
function ownPort(port: number): number {
  return port - 10_000
}

function startMaster(port: number): Promise<TestRedis> {
  const own = ['--cluster-port', String(ownPort(port))]
  return startRedis({ port, settings: ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', ...own] })
}

/** One command on a connection of its own. */
export async function ask(url: string, ...command: string[]): Promise<unknown> {
  const client = await createClient({ url, RESP: 2 }).connect()
  try {
    return await client.sendCommand(command)
  } finally {
    await client.close()
  }
}
