import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { FunctionApp } from './in-process.ts'
import { described } from './invoker-reply.ts'

/**
 * Loads the module that holds the functions.
 * @param modulePath a path, absolute or from the working directory, or a file: URL
 * @returns its default export, or a sentence that says what is wrong and what to do
 */
export async function loadApp(
  modulePath: string,
): Promise<{ ok: true; app: FunctionApp } | { ok: false; message: string }> {
  const file = modulePath.startsWith('file:') ? fileURLToPath(modulePath) : resolve(modulePath)
  if (!existsSync(file)) return fault(`FUNCTIONS: ${file} does not exist; name the module that exports the router`)
  try {
    return shaped(file, await import(pathToFileURL(file).href))
  } catch (error) {
    return fault(`FUNCTIONS: ${file} could not be loaded: ${described(error)}`)
  }
}

function shaped(file: string, module: { default?: unknown }) {
  const app = module.default
  if (app === undefined) return fault(`FUNCTIONS: ${file} has no default export; end it with \`export default sip\``)
  if (!isApp(app)) {
    const got = app === null ? 'null' : typeof app
    return fault(
      `FUNCTIONS: the default export of ${file} is expected to have a function \`fetch\` (a SipRouter has), got ${got} without one`,
    )
  }
  return { ok: true as const, app }
}

function isApp(value: unknown): value is FunctionApp {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  const { fetch, dispatch } = value as Record<string, unknown>
  return typeof fetch === 'function' && (dispatch === undefined || typeof dispatch === 'function')
}

function fault(message: string) {
  return { ok: false as const, message }
}
