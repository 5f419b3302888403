import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'

const ROOT = new URL('../../', import.meta.url)

/**
 * Runs an example of a README as it stands there: the block that begins with `// example: <name>`.
 * @param readme path in the project
 * @returns what it exports
 */
export async function readmeExample(readme: string, name: string): Promise<Record<string, unknown>> {
  const file = new URL(readme, ROOT)
  const block = new RegExp(`\`\`\`ts\\n(// example: ${name}\\n[^]*?)\`\`\``).exec(readFileSync(file, 'utf8'))?.[1]
  assert.ok(block, `${readme} has no example "${name}"`)
  // From a data URL nothing can be found by its name.
  const located = block.replace(/from '([^']+)'/g, (_, imported: string) => {
    return `from '${imported.startsWith('.') ? new URL(imported, file) : import.meta.resolve(imported)}'`
  })
  return import(`data:text/javascript,${encodeURIComponent(stripTypeScriptTypes(located))}`)
}

/** Does something while the environment has these variables. */
export async function withEnvironment<T>(variables: Record<string, string>, work: () => Promise<T>): Promise<T> {
  Object.assign(process.env, variables)
  try {
    return await work()
  } finally {
    for (const name of Object.keys(variables)) delete process.env[name]
  }
}
