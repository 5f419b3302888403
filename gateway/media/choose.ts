import { createHash } from 'node:crypto'

/** What the choice needs to know of an rtpengine. */
export interface Candidate {
  /** See engineKey. */
  readonly key: string
  /** How much of the calls it gets, next to the others. */
  readonly weight: number
  /** undefined: not known yet. */
  readonly isUp: boolean | undefined
}

/**
 * The rtpengines for a call, in the order to be tried: every gateway comes to the same one, calls are spread by weight, and when one goes
 * only its own calls go elsewhere (weighted rendezvous hashing). Those that may be away come last, those that are away not at all.
 */
export function inOrder<One extends Candidate>(candidates: readonly One[], callId: string): One[] {
  return candidates
    .filter(({ isUp }) => isUp !== false)
    .map((candidate) => ({ candidate, score: scoreOf(candidate, callId) }))
    .sort((a, b) => Number(b.candidate.isUp ?? false) - Number(a.candidate.isUp ?? false) || a.score - b.score)
    .map(({ candidate }) => candidate)
}

/** Exponentially distributed with the weight as its rate: the least of some is each one's as often as its share of the weights. */
function scoreOf({ key, weight }: Candidate, callId: string): number {
  const uniform = (createHash('sha256').update(`${key} ${callId}`).digest().readUInt32BE(0) + 0.5) / 2 ** 32
  return -Math.log(uniform) / weight
}
