/** Tests of handlers without a SIP stack: `import { simulate } from 'rouse/testing'`. */
import type { TestedApp } from './functions.ts'
import { Simulation, type SimulationOptions } from './simulation.ts'

export type { Action } from '../contract/actions.ts'
export type { PhoneContact } from './contacts.ts'
export type { TestedApp } from './functions.ts'
export type { RequestOptions } from './request.ts'
export type { CallerResponse } from './response-context.ts'
export type { SentPush, SentRequest } from './routed-call.ts'
export type { Awaited, CallState, SimulatedCall } from './simulated-call.ts'
export type { RaisedAttributes, Simulation, SimulationOptions } from './simulation.ts'

/**
 * A router around the functions of `app`, without sockets, in virtual time.
 *
 *     const call = await simulate(app).invite('sip:bob@example.com')
 *     assert.deepEqual(call.last, [{ action: 'reply', status: 486 }])
 *
 * @param app a `SipRouter`, or anything with `fetch` that answers invocations
 */
export function simulate(app: TestedApp, options: SimulationOptions = {}): Simulation {
  return new Simulation(app, options)
}
