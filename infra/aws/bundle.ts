import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BuildOptions, buildSync } from 'esbuild'

/** What runs on Lambda, each as one file. */

const ROOM = fileURLToPath(new URL('.', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const COMMON: BuildOptions = {
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  sourcemap: true,
  minifySyntax: true,
  // Packages that are no ES modules ask for what Node has.
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  // The runtime brings the SDK.
  external: ['@aws-sdk/*'],
  logLevel: 'warning',
}

/** The module of functions/ that makes a Lambda handler of an app. */
export const LAMBDA_ENTRY = join(ROOT, 'functions/entry/lambda.ts')

/** @returns the directory with the functions' `index.mjs`, whose `handler` serves infra/functions/app.ts */
export function bundleFunctions(): string {
  if (!existsSync(LAMBDA_ENTRY))
    throw new Error(`${LAMBDA_ENTRY} does not exist: name a bundle with -c functionsBundle=…`)
  const contents = `
    import app from './infra/functions/app.ts'
    import { lambda } from './functions/entry/lambda.ts'
    export const handler = lambda(app)`
  return bundle('functions', { stdin: { contents, resolveDir: ROOT, loader: 'ts', sourcefile: 'handler.ts' } })
}

/** @returns the directory with the `index.mjs` of the custom resource */
export function bundlePlatformApplication(): string {
  return bundle('platform-application', { entryPoints: [join(ROOM, 'platform-application/handler.ts')] })
}

function bundle(name: string, options: BuildOptions): string {
  const directory = join(ROOM, 'dist', name)
  buildSync({ ...COMMON, ...options, outfile: join(directory, 'index.mjs') })
  return directory
}
