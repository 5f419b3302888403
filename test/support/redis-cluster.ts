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
  const settings = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000']
  const servers = await Promise.all(ports.map((port) => startRedis({ port, settings })))
  const share = Math.ceil(SLOTS / ports.length)
  for (const [index, { url }] of servers.entries()) {
    const last = Math.min(share * (index + 1), SLOTS) - 1
    await ask(url, 'CLUSTER', 'ADDSLOTSRANGE', String(share * index), String(last))
    await ask(url, 'CLUSTER', 'MEET', '127.0.0.1', String(ports[0]))
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

/** One command on a connection of its own. */
export async function ask(url: string, ...command: string[]): Promise<unknown> {
  const client = await createClient({ url, RESP: 2 }).connect()
  try {
    return await client.sendCommand(command)
  } finally {
    await client.close()
  }
}
