import { routerOf } from '../../functions/contract-suite/case.ts'
import { placeOf, ROOMS } from '../../functions/contract-suite/rooms.ts'
import { type HttpEnv, httpApp } from '../../functions/http-suite/app.ts'

/** Every app of the contract suite, each below its own path, and that of the HTTP suite below `/http`; signed with `WEBHOOK_SECRET`. */

interface Env extends HttpEnv {
  WEBHOOK_SECRET: string
}

type Fetch = (request: Request, env: Env, ctx: unknown) => Promise<Response>

let apps: Map<string, Fetch> | undefined

function appsFor({ WEBHOOK_SECRET: secret }: Env): Map<string, Fetch> {
  const cases = ROOMS.flatMap((room) => room.cases)
  const served = cases.map((one): [string, Fetch] => [placeOf(one), routerOf(one, placeOf(one), secret).sip.fetch])
  return new Map([...served, ['/http', httpApp('/http', secret).fetch]])
}

export default {
  async fetch(request: Request, env: Env, ctx: unknown): Promise<Response> {
    apps ??= appsFor(env)
    const place = /^https?:\/\/[^/]+(\/case\/[^/]+|\/http)/.exec(request.url)?.[1] ?? ''
    return apps.get(place)?.(request, env, ctx) ?? new Response(`no app at ${request.url}`, { status: 404 })
  },
}
