import { fileURLToPath } from 'node:url'
import { tables } from './tables.ts'

export const PAGE = fileURLToPath(new URL('../COSTS.md', import.meta.url))

/** The page with each of its tables as it has to be, in order; what stands between them is kept. */
export function inPage(page: string): string {
  const fresh = tables().split('\n\n')
  return page.replaceAll(/(?:^\|.*\n)+/gm, () => `${fresh.shift()}\n`)
}
