import { type Copy, DockerfileParser, type Instruction } from 'dockerfile-ast'

/** One step that changes the files of a stage. `from`: another stage instead of the build context. */
export type Step =
  | { kind: 'copy'; from: string | undefined; sources: string[]; target: string; workdir: string }
  | { kind: 'run'; command: string; workdir: string }

export interface Stage {
  name: string
  base: string
  steps: Step[]
  env: Record<string, string>
  workdir: string
  /** `uid:gid`, empty for the base image's own. */
  user: string
  command: string[]
  healthCheck: string[]
  stopSignal: string
}

/** Reads as much of a Dockerfile as ours has; throws at anything else, so that no step is passed over. */
export function readStages(text: string): Stage[] {
  const stages: Stage[] = []
  for (const instruction of DockerfileParser.parse(text).getInstructions()) {
    const args = instruction.getExpandedArguments().map((argument) => argument.getValue())
    const keyword = instruction.getKeyword()
    if (keyword === 'FROM') stages.push(newStage(args))
    else apply(stages.at(-1)!, keyword, instruction, args)
  }
  return stages
}

function newStage([base = '', , name = '']: string[]): Stage {
  const nothing = { steps: [], env: {}, workdir: '/', user: '', command: [], healthCheck: [] }
  return { name, base, ...nothing, stopSignal: 'SIGTERM' }
}

function apply(stage: Stage, keyword: string, instruction: Instruction, args: string[]): void {
  const { workdir } = stage
  if (keyword === 'WORKDIR') stage.workdir = args[0]!
  else if (keyword === 'USER') stage.user = args[0]!
  else if (keyword === 'STOPSIGNAL') stage.stopSignal = args[0]!
  else if (keyword === 'ENV')
    for (const pair of args) stage.env[pair.split('=')[0]!] = pair.slice(pair.indexOf('=') + 1)
  else if (keyword === 'CMD') stage.command = words(instruction)
  else if (keyword === 'HEALTHCHECK') stage.healthCheck = words(instruction)
  else if (keyword === 'RUN') stage.steps.push({ kind: 'run', command: args.join(' '), workdir })
  else if (keyword === 'COPY') {
    const paths = args.filter((arg) => !arg.startsWith('--'))
    const from = (instruction as Copy).getFromFlag()?.getValue() ?? undefined
    stage.steps.push({ kind: 'copy', from, sources: paths.slice(0, -1), target: paths.at(-1)!, workdir })
  } else if (keyword !== 'EXPOSE') throw new Error(`the test does not know how to do ${keyword}`)
}

/** The words of the exec form, which is the only one that needs no shell in the image. */
function words(instruction: Instruction): string[] {
  const [, json] = /(?:^|\s)(\[.*\])$/s.exec(instruction.getRawArgumentsContent() ?? '') ?? []
  if (json === undefined) throw new Error(`${instruction.getKeyword()} is not in exec form`)
  return JSON.parse(json) as string[]
}
