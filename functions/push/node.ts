import { apnsHttp2 } from './apns-http2.ts'
import type { PushPlatform } from './from-settings.ts'
import { publicFetch } from './public-fetch.ts'
import { snsProvider } from './sns.ts'

/** Pushes on Node and AWS Lambda, which can do all there is: `import { nodePlatform } from 'rouse/push/node'`. */

export type { PushPlatform } from './from-settings.ts'
export { readTextFile } from './read-file.ts'

export interface NodePlatform extends PushPlatform {
  /** Ends the connections, when pushes under way are through. */
  close(): Promise<void>
}

export function nodePlatform(): NodePlatform {
  const open: { close(): Promise<void> }[] = []
  const web = publicFetch()
  open.push(web)
  return {
    sns: snsProvider,
    apns(origin) {
      const connections = apnsHttp2(origin)
      open.push(connections)
      return connections.send
    },
    publicFetch: web.fetch,
    close: async () => void (await Promise.all(open.map((each) => each.close()))),
  }
}
