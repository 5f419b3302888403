import { platformClock, platformIds } from '../contract/platform.ts'
import { storedEndpoints } from '../push/endpoint-cache.ts'
import { pushApp } from '../push/index.ts'
import { nodePlatform, readTextFile } from '../push/node.ts'
import { checkedSettings, settingsOf } from '../sdk/store-settings.ts'
import { createUpstashStore } from '../store/redis/rest.ts'

/**
 * The push function on Node, by the settings in functions/push/README.md: `WEBHOOK_SECRET=whsec_… node functions/entry/node.ts
 * functions/entry/push.ts`. On AWS Lambda: `export const handler = lambda(push)`.
 *
 * With `UPSTASH_REDIS_REST_URL` the endpoints that SNS makes are remembered there, by all processes; without, by each.
 */
export default pushApp({
  env: process.env,
  platform: nodePlatform(),
  readFile: readTextFile,
  ...endpoints(),
})

function endpoints() {
  const settings = settingsOf(process.env)
  if (!settings) return {}
  const store = createUpstashStore({ ...checkedSettings(settings), clock: platformClock, ids: platformIds })
  return { endpoints: storedEndpoints(store) }
}
