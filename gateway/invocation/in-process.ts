import type { Clock } from '../../functions/contract/clock.ts'
import type { Invocation, Manifest } from '../../functions/contract/envelope.ts'
import type { Result } from '../../functions/contract/problem.ts'
import { createSigner } from '../../functions/contract/sign.ts'
import { abortSignalOf, type CancelSignal } from './cancellation.ts'
import { type FunctionHost, type HostReply, type InvokeOptions, MANIFEST_PATH, MANIFEST_TIMEOUT_MS } from './host.ts'
import { manifestOfReply } from './invoker-manifest.ts'
import { PendingReply } from './invoker-pending.ts'
import { invalidAnswer, isJson, parsedJson, replyOfStatus, threw } from './invoker-reply.ts'

/** An app that runs in this process: what a web framework's default export looks like. */
export interface FunctionApp {
  /** What `GET /.well-known/rouse` answers, where the app knows. */
  manifest?(): unknown
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
/** A Request needs an absolute URL; this one never leaves the process. */
const ORIGIN = 'http://localhost'

/**
 * Functions in this process. A function cannot be stopped: after its deadline, or the abort, what it answers is dropped.
 * The app gets the gateway's own invocation object and must not change it.
 * @param env    what it gets as its environment, as it would elsewhere
 * @param secret signs what goes through `fetch`, as elsewhere; without one the app is told that unsigned requests are to be taken
 */
export function createInProcessHost(app: FunctionApp, clock: Clock, env?: unknown, secret?: string): FunctionHost {
  const signer = secret === undefined ? undefined : createSigner(secret)
  const fetchEnv = signer ? env : { ...(env ?? {}), FUNCTIONS_UNSIGNED: 'loopback' }
  const inProcess: InProcess = {
    manifest: app.manifest && app.dispatch ? () => app.manifest!() : undefined,
    dispatch: app.dispatch && ((path, invocation) => app.dispatch!(path, invocation, { env })),
    async fetch(path, id, body, init) {
      const headers = { 'webhook-id': id, ...(await signer?.sign(id, body, clock.now())), ...init.headers }
      return app.fetch(new Request(ORIGIN + path, { ...init, headers }), fetchEnv)
    },
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

/** How this process reaches the app. */
interface InProcess {
  manifest: (() => unknown) | undefined
  dispatch: ((path: string, invocation: Invocation) => Promise<{ status: number; body?: unknown }>) | undefined
  fetch(
    path: string,
    id: string,
    body: string,
    init: RequestInit & { headers?: Record<string, string> },
  ): Promise<Response>
}

async function watchSoon(pending: PendingReply, clock: Clock, options: InvokeOptions): Promise<void> {
  for (let turn = 0; turn < FREE_TURNS; turn++) {
    if (pending.settled) return
    await undefined
  }
  if (!pending.settled) pending.watch(clock, options)
}

async function dispatched(app: InProcess, path: string, invocation: Invocation): Promise<HostReply> {
  try {
    const { status, body } = await app.dispatch!(path, invocation)
    return replyOfStatus(status, body)
  } catch (error) {
    return threw(error)
  }
}

async function fetched(
  app: InProcess,
  path: string,
  invocation: Invocation,
  signal: CancelSignal | undefined,
): Promise<HostReply> {
  const body = JSON.stringify(invocation)
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body,
    ...(signal ? { signal: abortSignalOf(signal) } : {}),
  }
  try {
    return await replyOf(await app.fetch(path, invocation.id, body, init))
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

async function manifest(app: InProcess, clock: Clock): Promise<Result<Manifest>> {
  const pending = new PendingReply()
  pending.watch(clock, { signal: undefined, timeoutMs: MANIFEST_TIMEOUT_MS })
  void fetchedManifest(app).then((reply) => pending.settle(reply))
  return manifestOfReply(await pending.promise)
}

async function fetchedManifest(app: InProcess): Promise<HostReply> {
  try {
    if (app.manifest) return { kind: 'answer', answer: app.manifest() }
    return await replyOf(await app.fetch(MANIFEST_PATH, 'manifest', '', {}))
  } catch (error) {
    return threw(error)
  }
}

export { loadApp } from './invoker-load.ts'
