import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Arguments, type Command, Refusal } from '../command.ts'
import { ownPackage, ROOT } from '../own-package.ts'
import { isProjectName, projectPackage } from '../project.ts'

export const init: Command = {
  name: 'init',
  usage: 'init <folder>',
  summary: 'writes a new project: routes that wake a sleeping phone, their test, and how to deploy them',
  options: {},
  positionals: { least: 1, most: 1 },
  details: 'Nothing is overwritten: the folder must be new or empty.',
  run,
}

const TEMPLATE = fileURLToPath(new URL('../template/', import.meta.url))
/** npm publishes no file of this name as it is. */
const RENAMED: Readonly<Record<string, string>> = { gitignore: '.gitignore' }

async function run({ positionals }: Arguments): Promise<number> {
  const folder = resolve(positionals[0]!)
  const name = basename(folder).toLowerCase()
  if (!isProjectName(name)) {
    throw new Refusal(
      `"${name}" can be no name of a package and a Worker: use small letters, digits and dashes, as in my-routes`,
    )
  }
  refuseToOverwrite(folder)
  const files = new Map(templateFiles().map((file) => [RENAMED[file] ?? file, contentOf(file, name)]))
  const { version, dependencies } = ownPackage()
  files.set('package.json', projectPackage(name, { from: source(folder, version), dependencies }))
  for (const [file, text] of files) {
    const path = join(folder, file)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text, { flag: 'wx' })
  }
  const shown = relative(process.cwd(), folder) || '.'
  process.stdout.write(
    `${[...files.keys()]
      .sort()
      .map((file) => `  ${join(shown, file)}`)
      .join('\n')}\n\nNext: cd ${shown} && npm install && npm test && npm run dev\n`,
  )
  return 0
}

/** The published package, or what a checkout has built. */
function source(folder: string, version: string): string {
  const isCheckout = existsSync(join(ROOT, 'gateway/main.ts'))
  if (!isCheckout) return `^${version}`
  const built = join(ROOT, 'dist')
  if (existsSync(join(built, 'package.json'))) return `file:${relative(folder, built)}`
  throw new Refusal(`this is a checkout of Rouse, whose package is not built yet: npm run build, in ${ROOT}`)
}

function refuseToOverwrite(folder: string): void {
  const stats = statSync(folder, { throwIfNoEntry: false })
  if (stats && !stats.isDirectory()) throw new Refusal(`${folder} is a file; name a folder that is new or empty`)
  if (stats && readdirSync(folder).length > 0) {
    throw new Refusal(`${folder} is not empty, and nothing is overwritten; name a folder that is new or empty`)
  }
}

function templateFiles(): string[] {
  return readdirSync(TEMPLATE, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(TEMPLATE, join(entry.parentPath, entry.name)))
}

function contentOf(file: string, name: string): string {
  return readFileSync(join(TEMPLATE, file), 'utf8').replaceAll('{{name}}', name)
}
