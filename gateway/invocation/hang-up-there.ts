import type { ActionOf } from '../../functions/contract/actions.ts'
import type { Call } from './call.ts'

/** Milliseconds in which the BYE of who has ended a call comes by here. */
const BYE_MS = 5000

/**
 * FreeSWITCH ends an answered call, and says so by its BYE.
 * @param here how the gateway ends it: where FreeSWITCH cannot, and where no BYE comes of it
 */
export async function hangUpThere(call: Call, action: ActionOf<'hangup'>, here: () => void): Promise<void> {
  const { killer, timers } = call.parts
  const why = killer ? await killer.kill(call.request.callId, action.cause ?? 'NORMAL_CLEARING') : 'none is set'
  if (why !== undefined) {
    call.note(`FreeSWITCH does not end it: ${why}`)
    return here()
  }
  call.note('FreeSWITCH ends it')
  const onTimer = () => {
    if (call.dialogs.length === 0) return
    call.note('FreeSWITCH has ended it, but there was no BYE')
    here()
  }
  timers.start(BYE_MS, { onTimer }, 'hangup')
}
