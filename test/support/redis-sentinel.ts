import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from '../interop/network.ts'
import { eventually, Program } from '../interop/program.ts'
import { ask } from './redis-cluster.ts'
import { startRedis, type TestRedis } from './redis-server.ts'

/** A master, its replica, and a sentinel that makes the replica the master when the master is gone. */
export interface TestSentinel {
  /** `redis+sentinel://127.0.0.1:27199/main` */
  readonly url: string
  readonly master: TestRedis
  readonly replica: TestRedis
  /** Until the replica has all that the master has. */
  inStep(): Promise<void>
  /** Until the replica has become the master. */
  promoted(): Promise<void>
  stop(): Promise<void>
}

const DOWN_AFTER_MS = 1000

export async function startSentinel(ports: {
  master: number
  replica: number
  sentinel: number
}): Promise<TestSentinel> {
  const master = await startRedis({ port: ports.master, settings: ['--repl-diskless-sync-delay', '0'] })
  const replica = await startReplica({ port: ports.replica, of: master })
  const sentinel = new Program('sentinel', 'redis-server', [configuration(ports), '--sentinel'])
  await sentinel.until(sentinel.says(/\+slave/, 20_000))
  return {
    url: `redis+sentinel://127.0.0.1:${ports.sentinel}/main`,
    master,
    replica,
    inStep: () => inStep(master, replica),
    async promoted() {
      const isMaster = async () => (await infoOf(replica)).includes('role:master') || undefined
      await eventually('the replica to be the master', isMaster, 30_000)
    },
    async stop() {
      await sentinel.stop()
      await Promise.all([master.stop(), replica.stop()])
    },
  }
}

/** A replica that has all that the other server has, when it is returned. */
export async function startReplica({ port, of }: { port: number; of: TestRedis }): Promise<TestRedis> {
  const settings = ['--replicaof', '127.0.0.1', String(of.port), '--repl-diskless-sync-delay', '0']
  const replica = await startRedis({ port, settings })
  const isReplica = async () => (await infoOf(replica)).includes('master_link_status:up') || undefined
  await eventually('the replica to have a master', isReplica, 20_000)
  await inStep(of, replica)
  return replica
}

async function inStep(master: TestRedis, replica: TestRedis): Promise<void> {
  const offset = async (redis: TestRedis, name: string) => new RegExp(`${name}:(\\d+)`).exec(await infoOf(redis))?.[1]
  const isSame = async () =>
    (await offset(master, 'master_repl_offset')) === (await offset(replica, 'slave_repl_offset')) || undefined
  await eventually('the replica to be in step', isSame)
}

async function infoOf({ url }: TestRedis): Promise<string> {
  return String(await ask(url, 'INFO', 'replication'))
}

/** Sentinel keeps what it learns in its configuration file. */
function configuration({ master, sentinel }: { master: number; sentinel: number }): string {
  const directory = temporaryDirectory('sentinel')
  const path = join(directory, 'sentinel.conf')
  const lines = [
    `port ${sentinel}`,
    'bind 127.0.0.1',
    `dir ${directory}`,
    `sentinel monitor main 127.0.0.1 ${master} 1`,
    `sentinel down-after-milliseconds main ${DOWN_AFTER_MS}`,
    'sentinel failover-timeout main 5000',
  ]
  writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}
