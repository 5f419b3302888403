/** Where the endpoints that SNS has made are remembered; a key is a digest, never a token. May reject: that counts as not known. */
export interface EndpointCache {
  get(key: string): Promise<string | undefined>
  set(key: string, value: string): Promise<void>
}

/** What of a `Store` is used here. */
export interface Memory {
  recall(key: string): Promise<string | undefined>
  remember(key: string, value: string, ttlMs: number): Promise<void>
}

/** A phone that is not pushed for so long is looked up anew; milliseconds. */
const KEPT_MS = 30 * 24 * 3_600_000

/** In the store that gateways share. */
export function storedEndpoints(store: Memory): EndpointCache {
  const name = (key: string) => `sns endpoint ${key}`
  return {
    get: (key) => store.recall(name(key)),
    set: (key, value) => store.remember(name(key), value, KEPT_MS),
  }
}

/** In this process: so many, those that were not asked for longest go first. */
export function endpointsInMemory(most = 100_000): EndpointCache {
  const endpoints = new Map<string, string>()
  return {
    async get(key) {
      const value = endpoints.get(key)
      if (value !== undefined) {
        endpoints.delete(key)
        endpoints.set(key, value)
      }
      return value
    },
    async set(key, value) {
      endpoints.delete(key)
      endpoints.set(key, value)
      if (endpoints.size > most) endpoints.delete(endpoints.keys().next().value!)
    },
  }
}
