import { writeFileSync } from 'node:fs'
import { DOCUMENTS } from './documents.ts'

/** `npm run contract`: writes the documents anew. */
for (const [file, document] of Object.entries(DOCUMENTS)) {
  writeFileSync(new URL(file, import.meta.url), `${JSON.stringify(document(), null, 2)}\n`)
}
