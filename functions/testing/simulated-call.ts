import type { Action } from '../contract/actions.ts'
import type { Duration } from '../contract/duration.ts'
import type { Branch as BranchData } from '../contract/envelope.ts'
import { type Attributes, EVENT_ATTRIBUTES, type Filter } from '../contract/events.ts'
import { type Branch, branchData } from './branch.ts'
import type { CallerResponse } from './response-context.ts'
import type { RoutedCall, SentPush, SentRequest } from './routed-call.ts'
import { checkAttributes, type RaisedAttributes, type Simulation } from './simulation.ts'

/**
 * - `proceeding`: nothing rings and nothing is waited for, which no call stays at
 * - `waiting`: for an event, or for late phones (`call.halt`); nothing rings
 * - `ringing`: phones ring, or are called and silent, whatever else is waited for
 * - `answered`: two people talk
 * - `ended`: the caller has a final response and no call, or the call is over
 */
export type CallState = 'proceeding' | 'waiting' | 'ringing' | 'answered' | 'ended'

/** Something that makes a call go on. */
export interface Awaited {
  /** `wait` for `call.wait` and `call.ring`, `subscription` for `call.subscribe`, `halt` for `call.halt`. */
  by: 'wait' | 'subscription' | 'halt'
  name?: string
  event?: string
  filter?: Filter
  /** The fork whose outcome it is. */
  fork?: string
  /** The handler that is invoked. */
  handler?: string
  /** Milliseconds that are left; absent: as long as the call. */
  leftMs?: number
}

/**
 * One simulated call, or another request, and what has become of it. Each step resolves with the actions it led to, when everything has
 * been done that can be done without time passing.
 */
export class SimulatedCall {
  readonly #simulation: Simulation
  readonly #routed: RoutedCall
  #last: readonly Action[] = []
  #seen = 0

  /** @internal */
  constructor(simulation: Simulation, routed: RoutedCall) {
    this.#simulation = simulation
    this.#routed = routed
  }

  /** @internal The first step. */
  begins(start: () => void): Promise<readonly Action[]> {
    return this.#step(() => this.#simulation.step(start))
  }

  /** The Call-ID: `call.id` of handlers, the attribute `callId` of events. */
  get id(): string {
    return this.#routed.callId
  }

  /** Every action that was performed for the call, in order: those of answers and those of inline reactions. */
  get actions(): readonly Action[] {
    return this.#routed.actions
  }

  /** The actions the last step led to. */
  get last(): readonly Action[] {
    // What another call, or the simulation, has led to since.
    const since = this.actions.slice(this.#seen)
    return since.length > 0 ? since : this.#last
  }

  get state(): CallState {
    const { context, hasDialog, haltUntil, suspension } = this.#routed
    if (hasDialog) return 'answered'
    if (context.finalStatus !== 0) return 'ended'
    if (context.hasLiveBranch) return 'ringing'
    return suspension.waits.size > 0 || haltUntil !== undefined ? 'waiting' : 'proceeding'
  }

  /** The final status the caller got; undefined before one. */
  get response(): number | undefined {
    return this.#routed.context.finalStatus || undefined
  }

  /** Every response the caller got, the final one last. */
  get responses(): readonly CallerResponse[] {
    return this.#routed.context.responses
  }

  /** The phones the call was forked to, as `call.branches` has them. */
  get branches(): readonly BranchData[] {
    return this.#routed.context.branches.map(branchData)
  }

  /** Devices that were sent a push. */
  get pushes(): readonly SentPush[] {
    return this.#routed.pushes
  }

  /** New requests that were sent (`call.send`). */
  get sent(): readonly SentRequest[] {
    return this.#routed.sent
  }

  get annotations(): Readonly<Record<string, string>> {
    return this.#routed.annotations
  }

  /** What makes the call go on: events with their filters, outcomes of forks, deadlines. */
  get waitsFor(): readonly Awaited[] {
    const { suspension, haltUntil } = this.#routed
    const now = this.#simulation.clock.now()
    const awaited: Awaited[] = []
    for (const { action, deadline } of suspension.waits.values()) {
      const wait = { by: 'wait', name: action.name, leftMs: deadline - now } as const
      for (const condition of action.any) {
        if ('fork' in condition) awaited.push({ ...wait, fork: condition.fork })
        else awaited.push({ ...wait, event: condition.event, filter: condition.filter ?? {} })
      }
    }
    for (const subscription of suspension.subscriptions.values()) {
      if (!suspension.isAlive(subscription)) continue
      const { action, expiresAt } = subscription
      awaited.push({
        by: 'subscription',
        event: action.event,
        filter: action.filter ?? {},
        ...(action.name === undefined ? {} : { name: action.name }),
        ...(action.handler === undefined ? {} : { handler: action.handler }),
        ...(expiresAt === undefined ? {} : { leftMs: expiresAt - now }),
      })
    }
    if (haltUntil !== undefined) awaited.push({ by: 'halt', leftMs: haltUntil - now })
    return awaited
  }

  /**
   * An event comes. What is not given of `aor` (the callee's) and `callId` is this call's; `contact.registered` also registers the contact.
   * Rejects when nothing is met by it, and says what is waited for.
   */
  event<Type extends string>(type: Type, attributes?: RaisedAttributes<Type>): Promise<readonly Action[]> {
    return this.#step(async () => {
      const given = { ...this.#ownAttributes(type), ...(attributes as Attributes | undefined) }
      checkAttributes(type, given)
      if (type === 'contact.registered' && given.contact === undefined)
        throw new TypeError(
          'event: contact.registered needs its contact, such as { contact: "sip:bob@192.0.2.7:5060" }',
        )
      let matched = 0
      await this.#simulation.step(() =>
        this.#simulation.track(this.#simulation.raised(type, given).then((count) => (matched = count))),
      )
      if (matched === 0)
        throw new Error(`event: nobody waits for ${type} ${JSON.stringify(given)}; ${this.#waitsText()}`)
    })
  }

  #ownAttributes(type: string): Attributes {
    const names: readonly string[] = Object.hasOwn(EVENT_ATTRIBUTES, type)
      ? EVENT_ATTRIBUTES[type as keyof typeof EVENT_ATTRIBUTES]
      : []
    return {
      ...(names.includes('aor') ? { aor: this.#routed.request.request.aor } : {}),
      ...(names.includes('callId') ? { callId: this.id } : {}),
    }
  }

  /** Time passes until the next deadline of a wait, a ring or a halt. Rejects when there is none. */
  timeout(): Promise<readonly Action[]> {
    return this.#step(async () => {
      const { suspension, haltUntil } = this.#routed
      const deadlines = [...suspension.waits.values()].map(({ deadline }) => deadline)
      if (haltUntil !== undefined) deadlines.push(haltUntil)
      if (deadlines.length === 0)
        throw new Error(`timeout: nothing is waited for with a deadline; ${this.#waitsText()}`)
      await this.#simulation.advance(Math.max(0, Math.min(...deadlines) - this.#simulation.clock.now()))
    })
  }

  /** Lets time pass, `'15s'` or milliseconds, and everything happen that is due meanwhile. */
  advance(duration: Duration): Promise<readonly Action[]> {
    return this.#step(() => this.#simulation.advance(duration))
  }

  /**
   * Somebody answers.
   * @param contact whose phone, by its URI; default the first that rings
   */
  answers(contact?: string): Promise<readonly Action[]> {
    return this.#step(async () => {
      const [branch] = this.#called('answers', contact)
      await this.#simulation.step(() => this.#routed.context.answers(branch!))
    })
  }

  /**
   * Phones say no.
   * @param status 300 to 699
   * @param contact whose phone, by its URI; default all that ring
   */
  fails(status: number, contact?: string): Promise<readonly Action[]> {
    return this.#step(async () => {
      if (!(Number.isInteger(status) && status >= 300 && status <= 699))
        throw new TypeError(`fails: expected a final status from 300 to 699, got ${status}`)
      const branches = this.#called('fails', contact)
      await this.#simulation.step(() => {
        for (const branch of branches) this.#routed.context.fails(branch, status, true)
      })
    })
  }

  /** Live branches; those whose phone is silent only when none rings. */
  #called(step: string, contact: string | undefined): Branch[] {
    const live = this.#routed.context.branches.filter((branch) => branch.isLive && branch.state !== 'cancelling')
    const awake = live.filter(({ target }) => this.#simulation.isAwake(target))
    const found = contact === undefined ? awake : awake.filter(({ target }) => target.uri === contact)
    if (found.length > 0) return found
    const asleep = live.filter((branch) => !awake.includes(branch)).map(({ target }) => target.uri)
    const what = contact === undefined ? 'no phone rings' : `${contact} does not ring`
    const ringing = awake.map(({ target }) => target.uri).join(', ') || 'nobody'
    throw new Error(
      `${step}: ${what}; ringing: ${ringing}${asleep.length > 0 ? `, asleep: ${asleep.join(', ')}` : ''}; the call is ${this.state}`,
    )
  }

  /** The caller gives up. Rejects when there is nothing left to give up. */
  cancel(): Promise<readonly Action[]> {
    return this.#step(async () => {
      const { context } = this.#routed
      if (context.finalStatus !== 0)
        throw new Error(`cancel: the caller has had his final response already, ${context.finalStatus}`)
      await this.#simulation.step(() => context.cancelledByCaller())
    })
  }

  /** One of the two who talk hangs up. Rejects when nobody talks. */
  hangsUp(): Promise<readonly Action[]> {
    return this.#step(async () => {
      if (!this.#routed.hasDialog) throw new Error(`hangsUp: nobody talks; the call is ${this.state}`)
      await this.#simulation.step(() => this.#routed.ends('BYE'))
    })
  }

  async #step(action: () => Promise<void>): Promise<readonly Action[]> {
    const before = this.actions.length
    try {
      await action()
    } finally {
      this.#seen = this.actions.length
      this.#last = this.actions.slice(before)
    }
    return this.#last
  }

  #waitsText(): string {
    const { state } = this
    const awaited = this.waitsFor.map(awaitedText)
    return awaited.length === 0
      ? `the call is ${state} and waits for nothing`
      : `the call waits for ${awaited.join(', ')}`
  }
}

function awaitedText({ by, event, filter, fork, leftMs }: Awaited): string {
  const what =
    by === 'halt' ? 'late phones' : fork === undefined ? `${event} ${JSON.stringify(filter)}` : `fork ${fork}`
  return leftMs === undefined ? what : `${what} for ${leftMs / 1000}s`
}
