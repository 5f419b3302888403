/** What of a package.json is looked at here. */
export interface PackageJson {
  name: string
  version: string
  bin: Record<string, string>
  exports: Record<string, string>
  dependencies: Record<string, string>
  [field: string]: unknown
}

/** Fields that only concern whoever works on Rouse itself. */
const OWN = ['private', 'scripts', 'devDependencies', 'allowScripts']
/** What the compiled code runs on; the functions' TypeScript has to run as it is. */
const ENGINES = { node: '>=22.19' }

/**
 * The package.json of the published package, out of that of the checkout: what was TypeScript there is JavaScript with types here, in the
 * same place.
 */
export function publishedManifest(own: PackageJson): PackageJson {
  const kept = Object.fromEntries(Object.entries(own).filter(([field]) => !OWN.includes(field))) as PackageJson
  const exports = Object.fromEntries(Object.entries(own.exports).map(([path, file]) => [path, published(file)]))
  return { ...kept, engines: ENGINES, exports: exports as never }
}

function published(file: string): string | { types: string; default: string } {
  if (!file.endsWith('.ts')) return file
  return { types: file.replace(/\.ts$/, '.d.ts'), default: file.replace(/\.ts$/, '.js') }
}
