import type { ContractCase, Room } from './case.ts'
import { divergence } from './divergence.ts'
import { lookupAndRun } from './lookup-and-run.ts'
import { namedHandlers } from './named-handlers.ts'
import { replay } from './replay.ts'
import { request } from './request.ts'
import { ring } from './ring.ts'
import { routes } from './routes.ts'
import { severalAtOnce } from './several-at-once.ts'
import { trouble } from './trouble.ts'
import { verbs } from './verbs.ts'
import { wait } from './wait.ts'

/** The whole contract. */
export const ROOMS: readonly Room[] = [
  verbs,
  request,
  routes,
  trouble,
  namedHandlers,
  wait,
  ring,
  lookupAndRun,
  severalAtOnce,
  replay,
  divergence,
]

/** Every case has a path of its own. */
export function placeOf(contractCase: ContractCase): string {
  const room = ROOMS.findIndex(({ cases }) => cases.includes(contractCase))
  return `/case/${room}-${ROOMS[room]!.cases.indexOf(contractCase)}`
}
