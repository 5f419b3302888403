import type { Clock } from '../../functions/contract/clock.ts'
import type { Invocation, Manifest } from '../../functions/contract/envelope.ts'
import type { Result } from '../../functions/contract/problem.ts'
import { abortSignalOf, type CancelSignal } from './cancellation.ts'
import { type FunctionHost, type HostReply, type InvokeOptions, MANIFEST_PATH, MANIFEST_TIMEOUT_MS } from './host.ts'
import { manifestOfReply } from './invoker-manifest.ts'
import { PendingReply } from './invoker-pending.ts'
import { invalidAnswer, isJson, parsedJson, replyOfStatus, threw } from './invoker-reply.ts'

/** An app that runs in this process: what a web framework's default export looks like. */
export interface FunctionApp {
  fetch(request: Request, env?: unknown): Response | Promise<Response>
  /** The same without HTTP in between, where the app knows how: values instead of JSON texts. */
  dispatch?(
    path: string,
    invocation: Invocation,
    options?: { env?: unknown },
  ): Promise<{ status: number; body?: unknown }>
}

/** How many microtask turns a function may take before it gets a timer: handlers that need no I/O are through by then. */
const FREE_TURNS = 32
/** A Request needs an absolute URL; nothing resolves this name. */
const ORIGIN = 'http://functions.internal'

/**
 * Functions in this process. A function cannot be stopped: after its deadline, or the abort, what it answers is dropped.
 * The app gets the gateway's own invocation object and must not change it.
 * @param env what it gets as its environment, as it would elsewhere
 */
export function createInProcessHost(app: FunctionApp, clock: Clock, env?: unknown): FunctionHost {
  const inProcess: FunctionApp = {
    fetch: (request) => app.fetch(request, env),
    ...(app.dispatch ? { dispatch: (path, invocation) => app.dispatch!(path, invocation, { env }) } : {}),
  }
  return {
    isInProcess: true,
    manifest: () => manifest(inProcess, clock),
    invoke(path, invocation, options) {
      const pending = new PendingReply()
      if (options.signal?.aborted) pending.watch(clock, options)
      if (pending.settled) return pending.promise
      const call = inProcess.dispatch
        ? dispatched(inProcess, path, invocation)
        : fetched(inProcess, path, invocation, options.signal)
      void call.then((reply) => pending.settle(reply))
      void watchSoon(pending, clock, options)
      return pending.promise
    },
    close: () => Promise.resolve(),
  }
}

async function watchSoon(pending: PendingReply, clock: Clock, options: InvokeOptions): Promise<void> {
  for (let turn = 0; turn < FREE_TURNS; turn++) {
    if (pending.settled) return
    await undefined
  }
  if (!pending.settled) pending.watch(clock, options)
}

async function dispatched(app: FunctionApp, path: string, invocation: Invocation): Promise<HostReply> {
  try {
    const { status, body } = await app.dispatch!(path, invocation)
    return replyOfStatus(status, body)
  } catch (error) {
    return threw(error)
  }
}

async function fetched(
  app: FunctionApp,
  path: string,
  invocation: Invocation,
  signal: CancelSignal | undefined,
): Promise<HostReply> {
  const headers = { 'content-type': 'application/cloudevents+json', 'webhook-id': invocation.id }
  const init = {
    method: 'POST',
    headers,
    body: JSON.stringify(invocation),
    ...(signal ? { signal: abortSignalOf(signal) } : {}),
  }
  try {
    return await replyOf(await app.fetch(new Request(ORIGIN + path, init)))
  } catch (error) {
    return threw(error)
  }
}

/** Only an answer has to be JSON; of other statuses the body is read when it is. */
async function replyOf(response: Response): Promise<HostReply> {
  const type = response.headers.get('content-type') ?? ''
  const retryAfter = response.headers.get('retry-after') ?? undefined
  if (response.status === 204) return { kind: 'none' }
  if (!isJson(type)) {
    void response.body?.cancel()
    return response.status === 200
      ? invalidAnswer(`expected JSON, got ${type || 'no Content-Type'}`)
      : replyOfStatus(response.status, undefined, retryAfter)
  }
  const body = parsedJson(await response.text())
  if ('value' in body) return replyOfStatus(response.status, body.value, retryAfter)
  return response.status === 200 ? body : replyOfStatus(response.status, undefined, retryAfter)
}

async function manifest(app: FunctionApp, clock: Clock): Promise<Result<Manifest>> {
  const pending = new PendingReply()
  pending.watch(clock, { signal: undefined, timeoutMs: MANIFEST_TIMEOUT_MS })
  void fetchedManifest(app).then((reply) => pending.settle(reply))
  return manifestOfReply(await pending.promise)
}

async function fetchedManifest(app: FunctionApp): Promise<HostReply> {
  try {
    return await replyOf(await app.fetch(new Request(ORIGIN + MANIFEST_PATH)))
  } catch (error) {
    return threw(error)
  }
}

export { loadApp } from './invoker-load.ts'
