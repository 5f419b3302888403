import type { Machine } from '../transaction/machine.ts'

export type BreakerState = 'closed' | 'open' | 'half-open'
/** What tries come to, and time. An outcome counts in the state in which its try began, and in no later one. */
export type BreakerInput = 'success' | 'last success' | 'failure' | 'last failure' | 'rested'
export type BreakerEffect = 'rest' | 'rest longer' | 'forget'

/**
 * Circuit breaker of one function host. `last failure`: one more than may fail of the last tries. `last success`: the last of the probes
 * has succeeded. Open: nobody asks the function. Half-open: a few do.
 */
export const BREAKER: Machine<BreakerState, BreakerInput, BreakerEffect> = {
  'closed': {
    'success': {},
    'failure': {},
    'last failure': { to: 'open', do: ['rest'] },
  },
  'open': {
    rested: { to: 'half-open' },
  },
  'half-open': {
    'success': {},
    'last success': { to: 'closed', do: ['forget'] },
    'failure': { to: 'open', do: ['rest longer'] },
  },
}
