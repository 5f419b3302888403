import { Program } from '../../interop/program.ts'
import type { Served } from './suite.ts'

/** Runs a program that serves a function and says `listening on http://…` when it does. */
export async function served(command: string, args: string[], env: Record<string, string>): Promise<Served> {
  const program = new Program(args.at(-1)!, command, args, { env: { ...process.env, PORT: '0', ...env } })
  const [, url] = await program.until(program.says(/listening on (http:\S+)/))
  return { url: url!, stop: () => program.stop() }
}
