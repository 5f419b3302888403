/** An option as it is read and as `--help` shows it. */
export interface OptionSpec {
  /** What its value is, for people: `2s`, `file`; absent: it has none. */
  value?: string
  help: string
  /** The word `after` may stand before its value: `--answer after 2s`. */
  isAfter?: true
}

export interface Arguments {
  positionals: readonly string[]
  /** By the option's name, without dashes; the last one counts. */
  values: Readonly<Record<string, string | undefined>>
  flags: ReadonlySet<string>
}

export interface Command {
  name: string
  /** After `rouse `: `dev [app.ts]`. */
  usage: string
  summary: string
  /** Paragraphs below the options. */
  details?: string
  options: Readonly<Record<string, OptionSpec>>
  /** How many arguments it takes that are no options. */
  positionals: { least: number; most: number }
  /** Resolves with the exit status; rejects with a `Refusal` when nothing can be done, see its sentences. */
  run(args: Arguments): Promise<number>
}

/** What a command cannot do, in sentences for people that name the remedy. */
export class Refusal extends Error {
  readonly sentences: readonly string[]

  constructor(...sentences: string[]) {
    super(sentences.join('\n'))
    this.sentences = sentences
  }
}
