import { readFileSync } from 'node:fs'

/** What a setting names by its path. @returns undefined when it cannot be read */
export function readTextFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
