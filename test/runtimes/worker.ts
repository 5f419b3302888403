import { writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Program } from '../interop/program.ts'
import { COMPATIBILITY_DATE } from './bundle.ts'
import { runtimeProgram } from './programs.ts'

export interface WorkerSettings {
  /** Bindings of text. */
  env: Record<string, string>
  flags?: string[]
}

/** A Worker on Cloudflare's own runtime, `workerd`. */
export class Worker {
  readonly url: string
  readonly program: Program

  private constructor(url: string, program: Program) {
    this.url = url
    this.program = program
  }

  /** @param bundle an ES module */
  static async start(bundle: string, { env, flags = [] }: WorkerSettings): Promise<Worker> {
    const config = join(dirname(bundle), 'config.capnp')
    writeFileSync(config, configuration(basename(bundle), env, flags))
    const program = new Program('workerd', runtimeProgram('workerd'), ['serve', config, '--control-fd=1'])
    const [, port] = await program.until(program.says(/"listen","socket":"http","port":(\d+)/))
    return new Worker(`http://127.0.0.1:${port}`, program)
  }

  stop(): Promise<void> {
    return this.program.stop()
  }
}

/** What Cloudflare's configuration says for a Worker; its `fetch` reaches this machine, too. */
function configuration(module: string, env: Record<string, string>, flags: string[]): string {
  const quoted = (text: string) => JSON.stringify(text)
  const bindings = Object.entries(env).map(([name, value]) => `(name = ${quoted(name)}, text = ${quoted(value)})`)
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = ${quoted(module)}, esModule = embed ${quoted(module)})],
  compatibilityDate = ${quoted(COMPATIBILITY_DATE)},
  compatibilityFlags = [${flags.map(quoted).join(', ')}],
  bindings = [${bindings.join(', ')}],
);
`
}
