import type { SipMessage } from '../sip/message.ts'
import type { Flow } from '../transport/types.ts'
import type { ServerTransaction } from './types.ts'

/** The transaction of a request that another process has answered, and seen the end of: nothing more is said to it. */
export function answered(request: SipMessage, flow: Flow): ServerTransaction {
  return {
    ...{ id: '', method: request.method, request, flow },
    ...{ context: undefined, isFinal: true, lastResponse: undefined },
    respond: () => false,
    forget: () => undefined,
    abandon() {},
  }
}
