import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { absent } from '../../peers.ts'

/**
 * Stands in for a container engine: Linux namespaces and chroot. In place of the base image is this machine's /usr, read-only, with this
 * Node and this machine's npm before it on the PATH, and an empty rest.
 */

const BASE = '/opt/base'
const PATH = `${BASE}/bin:/usr/local/bin:/usr/bin:/bin`

/** Makes the rest of a root file system out of a directory, and runs a program with it as `/`. */
const ENTER = `set -eu
root=$1; mode=$2; user=$3; node=$4; npm=$5; cache=$6; workdir=$7; shift 7
mount --make-rprivate /
mount --bind "$root" "$root"
mkdir -p "$root/usr" "$root/proc" "$root/dev" "$root/tmp" "$root/root" "$root${BASE}/bin" "$root$workdir" "$root$npm"
for part in usr $(for d in bin sbin lib lib64; do [ -L /$d ] && cp -P /$d "$root/" 2>/dev/null || [ ! -d /$d ] || echo $d; done); do
  mkdir -p "$root/$part"; mount --bind /$part "$root/$part"; mount -o remount,bind,ro "$root/$part"
done
case "$npm" in /usr/*) ;; *) mount --bind "$npm" "$root$npm" ;; esac
touch "$root${BASE}/bin/node"; mount --bind "$node" "$root${BASE}/bin/node"
mount -t proc proc "$root/proc"
for device in null zero random urandom; do touch "$root/dev/$device"; mount --bind /dev/$device "$root/dev/$device"; done
if [ -n "$cache" ]; then mkdir -p "$root/root/.npm"; mount --bind "$cache" "$root/root/.npm"; fi
if [ "$mode" = ro ]; then mount -o remount,bind,ro "$root"; else mount -t tmpfs tmpfs "$root/tmp"; fi
exec chroot --userspec="$user" "$root" /bin/sh -c 'cd "$1" && shift && exec "$@"' sh "$workdir" "$@"
`

/** Why there can be no containers here; `false` when there can be. */
export function noContainers(): string | false {
  const missing = absent('unshare', 'nsenter', 'chroot', 'mount', 'npm')
  if (missing) return missing
  if (process.getuid?.() !== 0) return 'a container of namespaces needs root'
  const { status } = spawnSync('unshare', ['--mount', '--pid', '--fork', 'mount', '--make-rprivate', '/'])
  return status === 0 ? false : 'this machine lets nobody make namespaces (unshare --mount --pid)'
}

export interface Entered {
  root: string
  readOnly: boolean
  user: string
  workdir: string
  env: Record<string, string>
  /** npm's cache, for what installs. */
  cache?: string
}

/** What `env` begins with is all that a program sees of the environment. */
function enter(entered: Entered, command: readonly string[]): ChildProcess {
  const { root, readOnly, user, workdir, env, cache = '' } = entered
  const npm = dirname(dirname(npmProgram()))
  writeBase(root)
  const pairs = Object.entries({ PATH, ...env }).map(([name, value]) => `${name}=${value}`)
  const paths = [root, readOnly ? 'ro' : 'rw', user || '0:0', realpathSync(process.execPath), npm, cache, workdir]
  const program = ['/usr/bin/env', '-i', ...pairs, ...command]
  const namespaces = ['--mount', '--pid', '--fork', '--kill-child']
  return spawn('unshare', [...namespaces, 'sh', '-c', ENTER, 'sh', ...paths, ...program])
}

/** A step of a build: as root, on a root that can be written. Rejects with its output when it fails. */
export async function runStep(root: string, workdir: string, command: string): Promise<void> {
  const cache = execFileSync('npm', ['config', 'get', 'cache'], { encoding: 'utf8' }).trim() || join(homedir(), '.npm')
  mkdirSync(cache, { recursive: true })
  const registry = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim()
  const proxies = Object.entries(process.env).filter(([name]) => /^(https?|no)_proxy$/i.test(name))
  const env = {
    ...Object.fromEntries(proxies as [string, string][]),
    HOME: '/root',
    npm_config_registry: registry,
    npm_config_prefer_offline: 'true',
  }
  cpSync('/etc/resolv.conf', join(root, 'etc/resolv.conf'), { force: true })
  const process_ = enter({ root, readOnly: false, user: '', workdir, env, cache }, ['/bin/sh', '-c', command])
  const output = collect(process_)
  const [code] = await once(process_, 'close')
  if (code !== 0) throw new Error(`${command} ended with ${code}:\n${output()}`)
}

export interface Container {
  output(): string
  /** Resolves when it has written what matches; rejects when it ends before. */
  says(pattern: RegExp): Promise<void>
  /** Another program in it, as its user. */
  exec(command: readonly string[]): { status: number | null; output: string }
  stop(signal: string): Promise<number | null>
  /** Its exit status, once it ends by itself. */
  ended(): Promise<number | null>
}

export function startContainer(entered: Entered, command: readonly string[]): Container {
  const outside = enter({ ...entered, readOnly: true }, command)
  const output = collect(outside)
  const ended = once(outside, 'close').then(([code]) => code as number | null)
  const inside = () => Number(readFileSync(`/proc/${outside.pid}/task/${outside.pid}/children`, 'utf8').trim())
  return {
    output,
    says: (pattern) =>
      Promise.race([
        appears(outside, output, pattern),
        ended.then((code) => Promise.reject(new Error(`ended with ${code}:\n${output()}`))),
      ]),
    exec(command) {
      const [uid = '0', gid = '0'] = entered.user.split(':')
      const pairs = Object.entries({ PATH, ...entered.env }).map(([name, value]) => `${name}=${value}`)
      const target = ['--target', String(inside()), '--mount', '--pid', '--root', '--wd']
      const args = [...target, '--setuid', uid, '--setgid', gid, '/usr/bin/env', '-i', ...pairs, ...command]
      const { status, stdout, stderr } = spawnSync('nsenter', args, { encoding: 'utf8' })
      return { status, output: `${stdout}${stderr}` }
    },
    stop(signal) {
      process.kill(inside(), signal)
      return ended
    },
    ended: () => ended,
  }
}

/** npm and the users of the base image. */
function writeBase(root: string): void {
  mkdirSync(join(root, BASE, 'bin'), { recursive: true })
  mkdirSync(join(root, 'etc'), { recursive: true })
  writeFileSync(join(root, BASE, 'bin/npm'), `#!/bin/sh\nexec node ${npmProgram()} "$@"\n`, { mode: 0o755 })
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n')
  writeFileSync(join(root, 'etc/hosts'), '127.0.0.1 localhost\n::1 localhost\n')
}

function npmProgram(): string {
  const directories = (process.env.PATH ?? '').split(delimiter)
  for (const directory of directories) {
    try {
      return realpathSync(join(directory, 'npm'))
    } catch {}
  }
  throw new Error('no npm on the PATH')
}

function collect({ stdout, stderr }: ChildProcess): () => string {
  let text = ''
  for (const stream of [stdout, stderr]) stream?.setEncoding('utf8').on('data', (part: string) => (text += part))
  return () => text
}

function appears({ stdout, stderr }: ChildProcess, output: () => string, pattern: RegExp): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const look = () => {
    if (pattern.test(output())) resolve()
  }
  for (const stream of [stdout, stderr]) stream?.on('data', look)
  look()
  return promise
}
