import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { parentPort, workerData } from 'node:worker_threads'
import { Cancellation } from '../../invocation/cancellation.ts'
import type { FunctionHost } from '../../invocation/host.ts'
import { createInProcessHost } from '../../invocation/in-process.ts'
import { loadApp } from '../../invocation/invoker-load.ts'
import { described } from '../../invocation/invoker-reply.ts'
import { systemClock } from '../../system.ts'
import type { FromThread, ThreadData, ToThread } from './protocol.ts'

/** Entry of a thread of functions: loads the app, says of which files it is made, invokes it until it is told to end. */

const { file } = workerData as ThreadData
const port = parentPort!
const say = (message: FromThread) => port.postMessage(message)
const underWay = new Map<number, Cancellation>()

process.on('unhandledRejection', (error) => say({ kind: 'stray', message: described(error) }))
process.on('uncaughtException', (error) => say({ kind: 'stray', message: described(error) }))
tellFiles()
const loaded = await loadApp(file)
if (loaded.ok) serve(createInProcessHost(loaded.app, systemClock, process.env))
else say({ kind: 'failed', message: loaded.message.replace(/^FUNCTIONS: /, '') })

/** Every module outside of node_modules, also those that are loaded late, those that are broken and those that are missing. */
function tellFiles(): void {
  registerHooks({
    resolve(specifier, context, next) {
      try {
        return next(specifier, context)
      } catch (error) {
        if (specifier.startsWith('.') && context.parentURL) tell(new URL(specifier, context.parentURL).href)
        throw error
      }
    },
    load(url, context, next) {
      tell(url)
      return next(url, context)
    },
  })
}

function tell(url: string): void {
  if (url.startsWith('file:') && !url.includes('/node_modules/')) say({ kind: 'file', file: fileURLToPath(url) })
}

function serve(host: FunctionHost): void {
  port.on('message', (message: ToThread) => {
    const { kind, id } = message
    if (kind === 'abort') underWay.get(id)?.cancel()
    if (kind === 'manifest') void host.manifest().then((manifest) => say({ kind: 'manifest', id, manifest }))
    if (kind === 'invoke') void invoke(message, host)
  })
  say({ kind: 'ready' })
}

async function invoke({ id, path, invocation, timeoutMs }: Extract<ToThread, { kind: 'invoke' }>, host: FunctionHost) {
  const signal = new Cancellation()
  underWay.set(id, signal)
  const reply = await host.invoke(path, invocation, { signal, timeoutMs })
  underWay.delete(id)
  say({ kind: 'reply', id, reply })
}
