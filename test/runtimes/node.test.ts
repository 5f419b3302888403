import { bundleForNode } from './bundle.ts'
import { absentRuntimes, DENO_RUN, runtimeProgram } from './programs.ts'
import { servedByEntry } from './serving.ts'
import { runtimeSuite } from './suite.ts'

/** The entry for Node serves on Bun and Deno as well: `functions/entry/node.ts ./app.ts`. */

const APP = 'test/runtimes/apps/contract.ts'

runtimeSuite({
  name: 'Node',
  skip: false,
  start: (env) => servedByEntry(process.execPath, [], APP, env),
  redisPort: 27_240,
})

runtimeSuite({
  name: 'Node, bundled',
  skip: absentRuntimes('esbuild'),
  start: async (env) => servedByEntry(process.execPath, [], (await bundleForNode(APP)).file, env),
  redisPort: 27_241,
})

runtimeSuite({
  name: 'Bun',
  skip: absentRuntimes('bun'),
  start: (env) => servedByEntry(runtimeProgram('bun'), [], APP, env),
  redisPort: 27_242,
})

runtimeSuite({
  name: 'Deno',
  skip: absentRuntimes('deno'),
  start: (env) => servedByEntry(runtimeProgram('deno'), DENO_RUN, APP, env),
  redisPort: 27_243,
})
