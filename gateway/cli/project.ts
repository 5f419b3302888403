/**
 * `package.json` of a new project: pure, so that its versions can be read and tested.
 * @param rouse where the project gets Rouse from, as npm writes it, and what Rouse's own package.json says
 */
export function projectPackage(name: string, rouse: { from: string; dependencies: Record<string, string> }): string {
  const manifest = {
    name,
    private: true,
    type: 'module',
    scripts: {
      'dev': 'rouse dev',
      'start': 'rouse start',
      'routes': 'rouse routes',
      'test': 'node --test',
      'typecheck': 'tsc',
      'build:lambda':
        'esbuild deploy/lambda.ts --bundle --platform=node --target=node22 --format=esm --outfile=dist/lambda/index.mjs',
    },
    dependencies: { hono: rouse.dependencies.hono, rouse: rouse.from },
    // The Node.js that runs it comes along: whatever the machine has only needs to run npm.
    devDependencies: { '@types/node': '^24', 'esbuild': '^0.28', 'node': '^24', 'typescript': '^7' },
    allowScripts: { node: true, esbuild: true },
  }
  return `${JSON.stringify(manifest, null, 2)}\n`
}

/** What npm takes as the name of a package, and Cloudflare as that of a Worker. */
export function isProjectName(name: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name)
}
