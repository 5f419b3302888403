import { ask } from '../support/redis-cluster.ts'

/** What a redis-server has done so far, as it counts itself. */
export interface RedisCounters {
  /** CPU of its main thread, system calls included; microseconds. */
  cpuUs: number
  /** Commands, those within scripts included; not the scripts themselves, nor what reads inboxes and keeps connections. */
  commands: number
  scripts: number
  /** Times it read from a connection: a pipeline is read once. */
  roundTrips: number
  /** Bytes. */
  memory: number
}

export async function redisCounters(url: string): Promise<RedisCounters> {
  const text = String(await ask(url, 'INFO', 'everything'))
  const number = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(text)?.[1] ?? 0)
  const calls = (name: string) => Number(new RegExp(`^cmdstat_${name}:calls=(\\d+)`, 'm').exec(text)?.[1] ?? 0)
  const all = [...text.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
  const ours = all.filter(([, name]) => !/^(info|hello|client|ping|eval|evalsha|xread|flushall)\b/.test(name!))
  return {
    cpuUs: (number('used_cpu_user_main_thread') + number('used_cpu_sys_main_thread')) * 1e6,
    commands: ours.reduce((sum, [, , count]) => sum + Number(count), 0),
    scripts: calls('evalsha') + calls('eval'),
    roundTrips: number('total_reads_processed'),
    memory: number('used_memory'),
  }
}
