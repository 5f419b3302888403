import { cpSync, globSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'

/** What a build sees: the files of a directory that its .dockerignore lets in. */
export interface Context {
  root: string
  lets(path: string): boolean
}

/** The last pattern that matches a path, or a directory it is in, decides. */
export function readContext(root: string): Context {
  const patterns = readFileSync(join(root, '.dockerignore'), 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  const decides = (path: string, pattern: RegExp) =>
    path.split('/').some((_, index, parts) => pattern.test(parts.slice(0, index + 1).join('/')))
  const lets = (path: string) => {
    const last = patterns.findLast((pattern) => decides(path, ignorePattern(pattern.replace(/^!/, ''))))
    return last?.startsWith('!') ?? true
  }
  return { root, lets }
}

/** Unlike a shell's, this `*` matches a leading dot too. */
function ignorePattern(pattern: string): RegExp {
  const parts = pattern.split(/(\*\*\/|\*)/).map((part) => {
    if (part === '**/') return '(?:.*/)?'
    return part === '*' ? '[^/]*' : part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')
  })
  return new RegExp(`^${parts.join('')}$`)
}

/** As COPY does: the contents of a directory, a file under its name or as the target; a source that is not there throws. */
export function copyInto(stageRoot: string, { sources, target }: { sources: string[]; target: string }, from: Context) {
  for (const source of sources) {
    const paths = /[*?]/.test(source) ? globSync(source, { cwd: from.root }) : [source]
    const seen = paths.map((path) => path.replace(/^\//, '')).filter(from.lets)
    if (seen.length === 0) throw new Error(`COPY ${source}: nothing there that the build sees`)
    for (const path of seen) {
      const absolute = join(from.root, path)
      const isDirectory = statSync(absolute).isDirectory()
      const to = join(stageRoot, target, target.endsWith('/') && !isDirectory ? basename(path) : '')
      mkdirSync(join(to, '..'), { recursive: true })
      const filter = (file: string) => statSync(file).isDirectory() || from.lets(file.slice(from.root.length + 1))
      cpSync(absolute, to, { recursive: true, filter, verbatimSymlinks: true })
    }
  }
}
