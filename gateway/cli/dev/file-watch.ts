import { type FSWatcher, statSync, watch } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Clock, Timer } from '../../../functions/contract/clock.ts'

/** Editors write a file in several steps. Milliseconds. */
const SETTLE_MS = 50

/**
 * Tells when one of its files has changed. Folders are watched, not files: many editors replace a file by another one of its name, and a
 * file that is missing has none to watch.
 */
export class FileWatch {
  readonly #clock: Clock
  readonly #onChange: (file: string) => void
  /** What each file was like, by its path. */
  readonly #files = new Map<string, string>()
  readonly #folders = new Map<string, FSWatcher>()
  #timer: Timer | undefined

  constructor(clock: Clock, onChange: (file: string) => void) {
    this.#clock = clock
    this.#onChange = onChange
  }

  add(file: string): void {
    if (this.#files.has(file)) return
    this.#files.set(file, stateOf(file))
    const folder = dirname(file)
    if (this.#folders.has(folder)) return
    try {
      const watcher = watch(folder, (_event, name) => {
        if (name === null || this.#files.has(join(folder, basename(name)))) this.#lookSoon()
      })
      watcher.on('error', () => watcher.close())
      this.#folders.set(folder, watcher)
    } catch {
      // A folder that is not there: nothing in it can be saved.
    }
  }

  close(): void {
    this.#timer?.cancel()
    for (const watcher of this.#folders.values()) watcher.close()
  }

  #lookSoon(): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.after(SETTLE_MS, () => this.#look())
  }

  /** A file that is only gone may be on its way to be replaced. */
  #look(): void {
    let changed: string | undefined
    for (const [file, before] of this.#files) {
      const now = stateOf(file)
      if (now === before || now === '') continue
      this.#files.set(file, now)
      changed ??= file
    }
    if (changed !== undefined) this.#onChange(changed)
  }
}

/** '' when there is no such file. */
function stateOf(file: string): string {
  const stats = statSync(file, { throwIfNoEntry: false })
  return stats ? `${stats.mtimeMs} ${stats.size} ${stats.ino}` : ''
}
