/** What one input does in one state. `{}`: expected, nothing to do. */
export interface Row<State extends string, Effect extends string> {
  /** The next state; absent: stay. */
  to?: State
  /** What to perform, in this order. */
  do?: readonly Effect[]
}

/** A state machine as data: state, then input, then the row. An input that has no row in a state is a surprise. */
export type Machine<State extends string, Input extends string, Effect extends string> = Readonly<
  Record<State, Readonly<Partial<Record<Input, Row<State, Effect>>>>>
>

/**
 * The row of `input` in `state`. Pure: whoever asked moves to `to` and performs `do`.
 * @returns `undefined` when the table has no such row, which the caller counts as a surprise and otherwise ignores
 */
export function step<State extends string, Input extends string, Effect extends string>(
  machine: Machine<State, Input, Effect>,
  state: State,
  input: Input,
): Row<State, Effect> | undefined {
  return machine[state][input]
}
