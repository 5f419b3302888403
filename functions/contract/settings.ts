/** Settings of programs, as environments have them: each is read by itself, and all mistakes are told together. */

/** One mistake. */
export interface Fault {
  setting: string
  /** A whole sentence: the setting, what was expected, what was got, what to do. */
  message: string
}

/** The value of one setting, or what would have been right. `secret` keeps the value out of the sentence. */
export type Read<T> =
  | { ok: true; value: T }
  | { ok: false; expected: string; remedy: string; got?: string; secret?: boolean }

/** Settings that cannot be used: the message has every mistake, one a line. */
export class SettingsError extends TypeError {
  readonly faults: readonly Fault[]

  constructor(faults: readonly Fault[]) {
    super(faults.map(({ message }) => message).join('\n'))
    this.name = 'SettingsError'
    this.faults = faults
  }
}

/** Reads settings one by one and gathers what is wrong with them. */
export class Reader {
  readonly faults: Fault[] = []
  readonly #env: Readonly<Record<string, string | undefined>>

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env
  }

  /** Whether it says anything. */
  has(setting: string): boolean {
    return Boolean(this.#env[setting]?.trim())
  }

  /** `undefined` when the setting is absent and has no default, and when it is wrong. */
  value<T>(setting: string, parse: (text: string) => Read<T>, fallback?: string): T | undefined {
    const text = this.#env[setting]?.trim() || fallback
    if (text === undefined) return undefined
    const read = parse(text)
    if (read.ok) return read.value
    this.faults.push({ setting, message: sentence(setting, text, read) })
    return undefined
  }
}

function sentence(setting: string, text: string, fault: Extract<Read<unknown>, { ok: false }>): string {
  const got = fault.secret ? `something else (${text.length} characters)` : `"${shortened(fault.got ?? text)}"`
  return `${setting}: expected ${fault.expected}, got ${got}; ${fault.remedy}`
}

function shortened(text: string): string {
  const plain = text.replaceAll(/[\u0000-\u001f\u007f]/g, ' ')
  return plain.length > 120 ? `${plain.slice(0, 120)}…` : plain
}
