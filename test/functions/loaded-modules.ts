import { registerHooks } from 'node:module'

/**
 * `node --conditions=workerd test/functions/loaded-modules.ts <module>…`: loads the modules and prints, as JSON, each module that was loaded
 * on the way with the one that asked for it. So packages are resolved as a bundler for Workers resolves them.
 */

const loaded: [url: string, by: string][] = []
registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context)
    loaded.push([resolved.url, context.parentURL ?? ''])
    return resolved
  },
})
for (const module of process.argv.slice(2)) await import(module)
process.stdout.write(JSON.stringify(loaded))
