/** Milliseconds. `totalMs` bounds both tries at the function; what the first one leaves belongs to the retry. */
export interface Budget {
  totalMs: number
  firstTryMs: number
}

export interface Budgets {
  invite: Budget
  other: Budget
  /** The fallback gets what is left of the budget, at least this. */
  fallbackMinMs: number
}

export const DEFAULT_BUDGETS: Budgets = {
  invite: { totalMs: 2500, firstTryMs: 1200 },
  other: { totalMs: 1500, firstTryMs: 700 },
  fallbackMinMs: 1000,
}

/** The default budgets with other totals, in milliseconds. */
export function budgetsOf(inviteMs: number, otherMs: number): Budgets {
  const { invite, other, fallbackMinMs } = DEFAULT_BUDGETS
  return { invite: stretched(invite, inviteMs), other: stretched(other, otherMs), fallbackMinMs }
}

/** @param declaredMs what the route asks for; undefined: what its method has */
export function budgetFor(budgets: Budgets, method: string, declaredMs: number | undefined): Budget {
  const budget = method === 'INVITE' ? budgets.invite : budgets.other
  return declaredMs === undefined ? budget : stretched(budget, declaredMs)
}

/** The first try keeps its share. */
function stretched({ totalMs, firstTryMs }: Budget, otherTotalMs: number): Budget {
  return { totalMs: otherTotalMs, firstTryMs: Math.round((otherTotalMs * firstTryMs) / totalMs) }
}
