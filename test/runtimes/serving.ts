import { Program } from '../interop/program.ts'
import { ROOT } from './programs.ts'

/** Something that serves an app over HTTP. */
export interface Serving {
  readonly url: string
  stop(): Promise<void>
}

/** The entry for Node, run by Node or by what takes itself for it. */
export async function servedByEntry(
  command: string,
  args: string[],
  app: string,
  env: Record<string, string>,
): Promise<Serving> {
  const entry = [...args, 'functions/entry/node.ts', app]
  const program = new Program(command, command, entry, { cwd: ROOT, env: { ...env, PORT: '0' } })
  const [, url] = await program.until(program.says(/listening on (http\S+)\n/))
  return { url: url!, stop: () => program.stop() }
}
