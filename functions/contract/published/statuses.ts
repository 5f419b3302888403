/** What a gateway does with the status of a function's response; a test holds the gateway to it. */
export interface StatusMeaning {
  /** As OpenAPI has it: `404`, or `4XX` for those that are not listed. */
  status: string
  /** Whether the same invocation is tried once more, with the same `webhook-id`, if its time allows. */
  retried: boolean
  meaning: string
}

const ONWARD = 'then the fallback function, the static actions, or 503 for the caller'

export const INVOCATION_STATUSES: readonly StatusMeaning[] = [
  {
    status: '200',
    retried: false,
    meaning: `An answer. One that is not signed as the invocation was, is not valid, is not JSON or has more than 1 MiB counts as none and is tried once more, ${ONWARD}.`,
  },
  {
    status: '204',
    retried: false,
    meaning:
      'Not mine, signed as a 200 is: a request is routed by where its AOR is registered, anything else leaves the call as it is.',
  },
  { status: '2XX', retried: true, meaning: `Not understood: tried once more, ${ONWARD}.` },
  { status: '3XX', retried: false, meaning: `Not followed: no second try, ${ONWARD}.` },
  {
    status: '400',
    retried: false,
    meaning: `\`request.invalid\`: not an invocation of this contract. No second try, ${ONWARD}.`,
  },
  {
    status: '401',
    retried: false,
    meaning: `\`request.unauthorized\`: no live key has signed it, or more than five minutes ago. No second try, ${ONWARD}.`,
  },
  {
    status: '404',
    retried: false,
    meaning: `\`handler.unknown\`: no handler of this name. No second try, ${ONWARD}.`,
  },
  { status: '408', retried: true, meaning: `Tried once more, ${ONWARD}.` },
  {
    status: '409',
    retried: false,
    meaning: `\`replay.diverged\`: the \`context\` does not lead to this invocation. No second try, ${ONWARD}. \`request.replayed\`: this very message has come before; tried once more, as another message of the same id.`,
  },
  { status: '413', retried: false, meaning: `\`request.too_large\`: no second try, ${ONWARD}.` },
  { status: '429', retried: true, meaning: `Tried once more, ${ONWARD}.` },
  { status: '4XX', retried: false, meaning: `No second try, ${ONWARD}.` },
  { status: '5XX', retried: true, meaning: `\`handler.threw\`: tried once more, ${ONWARD}.` },
]
