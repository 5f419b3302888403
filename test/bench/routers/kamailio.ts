import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { answersOptions, type Router, startProcess } from './router.ts'

/** The rival: Kamailio with `kamailio/router.cfg`. */

const CONFIG = fileURLToPath(new URL('../kamailio/router.cfg', import.meta.url))
const WORKERS = 2
const RECEIVE_BUFFER_BYTES = 8 << 20
const SHARED_MEMORY_MB = 1024
/** Kamailio's fast allocator: its default spends half of the time of a busy proxy in looking for free memory. */
const ALLOCATOR = 'fm'

/**
 * How it routes: by its own location service; by asking an HTTP function from the worker that holds the call, from a pool of tasks, or
 * asynchronously; or, as the wake-up's rival, with the module tsilo.
 */
export type Flavour = 'plain' | 'http-blocking' | 'http-tasks' | 'http-async' | 'tsilo'

const DEFINES: Record<Flavour, string[]> = {
  'plain': [],
  'http-blocking': ['WITH_HTTP_BLOCKING'],
  'http-tasks': ['WITH_HTTP_TASKS', 'TASK_WORKERS=8'],
  'http-async': ['WITH_HTTP_ASYNC'],
  'tsilo': ['WITH_TSILO'],
}

/** Why a flavour cannot be run here, `undefined` when it can. */
export function kamailioMissing(flavour: Flavour): string | undefined {
  if (spawnSync('kamailio', ['-v']).status !== 0) return 'kamailio is not installed'
  if (flavour === 'http-async' && asyncModule() === undefined) {
    return 'http_async_client.so is not installed; test/bench/kamailio/build-http-async-client.sh makes it'
  }
  return undefined
}

export function startKamailio(flavour: Flavour, port: number, functionUrl = ''): Promise<Router> {
  const sip = { host: '127.0.0.1', port }
  const defines = [...DEFINES[flavour], `FUNCTION_URL=${functionUrl}`, `ASYNC_MODULE="${asyncModule()}"`]
  const args = [
    ...['-DD', '-E', '-f', CONFIG, '-l', `udp:127.0.0.1:${port}`, '-n', String(WORKERS)],
    ...[
      '-m',
      String(SHARED_MEMORY_MB),
      '-b',
      String(RECEIVE_BUFFER_BYTES),
      '-Y',
      '/tmp',
      '-w',
      '/tmp',
      '-x',
      ALLOCATOR,
      '-X',
      ALLOCATOR,
    ],
    ...defines.flatMap((define) => ['-A', define]),
  ]
  return startProcess(`kamailio ${flavour}`, sip, '', { file: 'kamailio', args }, () => answersOptions(sip))
}

function asyncModule(): string | undefined {
  const path = process.env.HTTP_ASYNC_CLIENT_SO ?? '/var/tmp/rouse-bench/http_async_client.so'
  return existsSync(path) ? path : undefined
}
