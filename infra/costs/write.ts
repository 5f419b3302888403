import { readFileSync, writeFileSync } from 'node:fs'
import { inPage, PAGE } from './page.ts'

/** `node infra/costs/write.ts` puts the tables that follow from `prices.ts` and `usage.ts` into COSTS.md. */

writeFileSync(PAGE, inPage(readFileSync(PAGE, 'utf8')))
