import type { Clock, IdSource } from '../functions/contract/clock.ts'
import type { Config } from './config.ts'
import { isLoopbackUrl } from './config-values.ts'
import type { FunctionHost } from './invocation/host.ts'
import { createHttpHost } from './invocation/http.ts'

/** Functions at a URL, asked as the settings say. */
export function httpFunctions(
  url: string,
  { functions: { webhookSecret, unsigned }, resilience }: Config,
  parts: { clock: Clock; ids: IdSource },
): FunctionHost {
  return createHttpHost({
    url,
    ...parts,
    secret: webhookSecret,
    unsignedAnswers: unsigned.answers || (unsigned.loopback && isLoopbackUrl(url)),
    // One more than invocations need is for the manifest.
    connections: resilience.concurrency + 1,
  })
}
