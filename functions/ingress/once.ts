import type { Result } from '../contract/problem.ts'
import { SIGNATURE_TOLERANCE_SECONDS } from '../contract/sign.ts'

/** Raises each event once, whoever posts it how often. */
export interface Once {
  /**
   * @param id    of the event, at most some hundred characters
   * @param raise how many it matched; when it rejects nothing is remembered: the next one raises
   * @returns what `raise` gave, this time or the first; problem `request.in_progress` when somebody else raises it and does not come to an end
   */
  raise(id: string, raise: () => Promise<number>): Promise<Result<number>>
}

/** How old a notification of Amazon SNS may be, milliseconds: it tries again for minutes. */
export const SNS_AGE_MS = 600_000

/** Longer than any signature is good: one of SNS for ten minutes, signed five minutes ahead. */
export const REMEMBERED_MS: number = SNS_AGE_MS + SIGNATURE_TOLERANCE_SECONDS * 1000
