/** More lines say nothing more to a person. */
const MAX_LINES = 40
/** Steps in common that are shown before and after those that differ. */
const CONTEXT = 3
/** Beyond it the lists are not aligned step by step: the table grows with the product. */
const MAX_ALIGNED = 200

/** Where a step may hold what should stay out of logs: hashed fields, URI parameters and fields named like secrets, passwords. */
const HIDDEN: readonly RegExp[] = [
  /("(?:headers|body|data|values|attributes|actions)":")(#[0-9a-z]+)/g,
  /(…)(#[0-9a-z]+)$/g,
  /([;?&](?:pn-[a-z-]+|[\w.-]*(?:token|secret|password)[\w.-]*)=)([^;?&>"…]+)/gi,
  /("(?:[^"]*(?:token|secret|password)[^"]*|pin)":)("[^"]*"?|\d+)/gi,
  /(sips?:[^:@"]+:)([^@"]+)(?=@)/g,
]

/** A step of the journal as it may be shown: hidden values are numbered, so that one can see whether two are the same. */
export class ShownSteps {
  readonly #numbers = new Map<string, number>()

  show(step: string): string {
    let shown = step.replace(/^\{"action":"([a-z]+)"(?:,(.*)|\})/s, (_, verb, rest) =>
      rest ? `${verb} {${rest}` : verb,
    )
    for (const pattern of HIDDEN) shown = shown.replace(pattern, (_, before, secret) => before + this.#number(secret))
    return shown
  }

  #number(secret: string): string {
    const known = this.#numbers.get(secret)
    if (known !== undefined) return `#${known}`
    this.#numbers.set(secret, this.#numbers.size + 1)
    return `#${this.#numbers.size}`
  }
}

/**
 * What a handler did, held against what it would do now.
 * @param then steps of its journal
 * @param now those of this run, as far as it came
 * @returns one line a step: `- 2 push` was done then, `+ 2 halt` would be now, `  1 fork` is the same; the first differences, and what
 * is around them
 */
export function replayDiff(then: readonly string[], now: readonly string[], shown: ShownSteps): string[] {
  let same = 0
  while (same < then.length && same < now.length && then[same] === now[same]) same++
  const from = Math.max(0, same - CONTEXT)
  const lines = from === 0 ? [] : [`  … ${from} steps as before`]
  for (let at = from; at < same; at++) lines.push(`  ${at + 1} ${shown.show(then[at]!)}`)
  for (const [sign, at] of aligned(then.slice(same), now.slice(same))) {
    if (lines.length === MAX_LINES) return [...lines, '  … and more']
    lines.push(`${sign} ${same + at + 1} ${shown.show((sign === '+' ? now : then)[same + at]!)}`)
  }
  return lines
}

type Line = ['-' | '+' | ' ', number]

/** The usual table of longest common subsequences, read from its beginning. */
function aligned(then: readonly string[], now: readonly string[]): Line[] {
  const rows = then.length
  const columns = now.length
  const lines: Line[] = []
  const table = rows <= MAX_ALIGNED && columns <= MAX_ALIGNED ? commonLengths(then, now) : undefined
  const common = (row: number, column: number) => table?.[row]?.[column] ?? 0
  let row = 0
  let column = 0
  while (row < rows || column < columns) {
    if (table && row < rows && column < columns && then[row] === now[column]) {
      lines.push([' ', row++])
      column++
    } else if (row < rows && (column === columns || common(row + 1, column) >= common(row, column + 1))) {
      lines.push(['-', row++])
    } else lines.push(['+', column++])
  }
  return lines
}

function commonLengths(then: readonly string[], now: readonly string[]): number[][] {
  const table = Array.from({ length: then.length + 1 }, () => new Array<number>(now.length + 1).fill(0))
  for (let row = then.length - 1; row >= 0; row--) {
    for (let column = now.length - 1; column >= 0; column--) {
      const after = table[row + 1]!
      table[row]![column] =
        then[row] === now[column] ? after[column + 1]! + 1 : Math.max(after[column]!, table[row]![column + 1]!)
    }
  }
  return table
}
