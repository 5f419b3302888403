import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Container, runStep, startContainer } from './container.ts'
import { type Context, copyInto, readContext } from './context.ts'
import { readStages, type Stage } from './dockerfile.ts'

/** The last stage of a Dockerfile, built. */
export interface Image {
  root: string
  stage: Stage
  /** @param command instead of the image's own */
  start(env: Record<string, string>, command?: readonly string[]): Container
  remove(): void
}

/** Does what a Dockerfile says, step by step, with the machine's own system in place of the base image. */
export async function buildImage(dockerfile: string, contextRoot: string): Promise<Image> {
  const directory = mkdtempSync(join(tmpdir(), 'rouse-image-'))
  const context = readContext(contextRoot)
  const built = new Map<string, Context>()
  const stages = readStages(readFileSync(dockerfile, 'utf8'))
  for (const [index, stage] of stages.entries()) {
    const root = join(directory, String(index))
    mkdirSync(join(root, 'etc'), { recursive: true })
    for (const step of stage.steps) {
      if (step.kind === 'run') await runStep(root, step.workdir, step.command)
      else {
        const slash = step.target.endsWith('/') ? '/' : ''
        const target = resolve(step.workdir, step.target) + slash
        copyInto(root, { ...step, target }, step.from === undefined ? context : built.get(step.from)!)
      }
    }
    built.set(stage.name || String(index), { root, lets: () => true })
  }
  const stage = stages.at(-1)!
  const root = join(directory, String(stages.length - 1))
  return {
    root,
    stage,
    start(env, command = stage.command) {
      const { user, workdir } = stage
      return startContainer({ root, readOnly: true, user, workdir, env: { ...stage.env, ...env } }, command)
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}
