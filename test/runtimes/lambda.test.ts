import { bundleForLambda } from './bundle.ts'
import { Lambda } from './lambda/lambda.ts'
import { absentRuntimes } from './programs.ts'
import { runtimeSuite } from './suite.ts'

/** Bundled as for AWS, in a process as AWS starts it, behind each thing that AWS can put in front of it. */

const FRONTS = ['function-url', 'http-api', 'http-api-1.0', 'rest-api', 'alb'] as const
const skip = absentRuntimes('esbuild')
const bundle = skip ? undefined : await bundleForLambda('test/runtimes/apps/contract-lambda.ts')

for (const [at, front] of FRONTS.entries()) {
  runtimeSuite({
    name: `AWS Lambda behind ${front}`,
    skip,
    start: (env) => Lambda.start(bundle!.file, front, env),
    redisPort: 27_220 + at,
    // What an HTTP API does to paths is of concern to the contract; the others are other events for the same program.
    withContract: front === 'function-url' || front === 'http-api',
  })
}
