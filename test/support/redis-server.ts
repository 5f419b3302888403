import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Program } from '../interop/program.ts'

/** A real Redis for one test file: empty, on loopback, nothing kept. */
export interface TestRedis {
  /** `redis://127.0.0.1:27189` */
  readonly url: string
  readonly port: number
  /** Ends it in an orderly way; also after `kill`. */
  stop(): Promise<void>
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>
  /** Freezes it: connections stay, nothing is answered until `resume`. */
  pause(): void
  resume(): void
}

/**
 * Starts `redis-server`; rejects with what it said when it does not come up.
 * @param settings further command line, such as `['--requirepass', 'secret']`
 */
export async function startRedis({ port, settings = [] }: { port: number; settings?: string[] }): Promise<TestRedis> {
  const directory = mkdtempSync(join(tmpdir(), 'rouse-redis-'))
  const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory]
  const program = new Program('redis', 'redis-server', [...place, '--save', '', '--appendonly', 'no', ...settings])
  const gone = program.exited.then(() => rmSync(directory, { recursive: true, force: true }))
  await program.until(program.says(/Ready to accept connections/))
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    async stop() {
      await program.stop()
      await gone
    },
    async kill() {
      program.signal('SIGKILL')
      await gone
    },
    pause: () => program.signal('SIGSTOP'),
    resume: () => program.signal('SIGCONT'),
  }
}
