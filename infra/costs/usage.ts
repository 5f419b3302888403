/** What one call asks of functions, Redis and push. A test plays these calls and counts. */
export interface Usage {
  call: string
  /** Times a function is asked; while a call waits it is not. */
  invocations: number
  /** Requests to Redis: scripts and commands that the gateway sends. */
  requests: number
  /** Commands that Redis does for them, those within scripts included. */
  commands: number
  pushes: number
}

export const USAGES: readonly Usage[] = [
  { call: 'rings where the callee is registered', invocations: 1, requests: 4, commands: 22, pushes: 0 },
  {
    call: 'waits for a pushed phone, which an inline reaction calls',
    invocations: 1,
    requests: 11,
    commands: 99,
    pushes: 1,
  },
  {
    call: 'waits for a pushed phone, which a named handler calls',
    invocations: 2,
    requests: 11,
    commands: 99,
    pushes: 1,
  },
  { call: 'waits once in a linear handler', invocations: 2, requests: 11, commands: 100, pushes: 1 },
]
