import { METHOD_NAME_ALL, type Result, type Router } from 'hono/router'
import { RegExpRouter } from 'hono/router/reg-exp-router'
import { SmartRouter } from 'hono/router/smart-router'
import { TrieRouter } from 'hono/router/trie-router'
import type { Manifest } from './envelope.ts'
import { readRoutePath } from './route-path.ts'

/** What stands in the manifest. */
export type Route = Manifest['routes'][number]

export interface RouteMatch<Handler> {
  handler: Handler
  /** `/:domain/:user`, as registered. */
  route: Route
  param(name: string): string | undefined
}

/** Stands for a slash inside a segment while Hono splits at slashes: a noncharacter, which no text holds. */
const SLASH = '\uffff'

/**
 * Routes by method and path, matched in order by Hono's own routers: which handler a function runs, and which route's budget the gateway
 * gives it.
 */
export class Routes<Handler> {
  readonly list: Route[] = []
  readonly #handlers: Handler[] = []
  #router: Router<number> | undefined

  /** @throws TypeError when Hono would silently miss what the path means; the message names the remedy */
  add(method: string, path: string, handler: Handler, options: Pick<Route, 'budget'> = {}): void {
    this.list.push({ method, path: readRoutePath(path), ...options })
    this.#handlers.push(handler)
    this.#router = undefined
  }

  /** @param path `/domain/user` with escapes, as in a URL */
  match(method: string, path: string): RouteMatch<Handler> | undefined {
    this.#router ??= this.#built()
    const result = this.#router.match(method, path.includes('%') ? unescapedPath(path) : path)
    const first = result[0][0]
    if (!first) return undefined
    return { handler: this.#handlers[first[0]]!, route: this.list[first[0]]!, param: (name) => param(result, name) }
  }

  /** Hono's routers are closed by their first match; a route that comes later opens a new one. */
  #built(): Router<number> {
    const router = new SmartRouter<number>({ routers: [new RegExpRouter(), new TrieRouter()] })
    for (const [index, { method, path }] of this.list.entries()) {
      router.add(method === '*' ? METHOD_NAME_ALL : method, path, index)
    }
    return router
  }
}

function param(result: Result<number>, name: string): string | undefined {
  const params = result[0][0]![1]
  if (!Object.hasOwn(params, name)) return undefined
  const found = params[name]
  const value = typeof found === 'number' ? result[1]?.[found] : found
  return value?.replaceAll(SLASH, '/')
}

/** Escapes are resolved before matching, so a route may say `#7` and a pattern `\\+1555`. */
function unescapedPath(path: string): string {
  return path.split('/').map(unescapedSegment).join('/')
}

function unescapedSegment(segment: string): string {
  try {
    return decodeURIComponent(segment).replaceAll('/', SLASH)
  } catch {
    return segment
  }
}
