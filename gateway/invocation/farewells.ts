import * as z from 'zod/mini'
import type { IdSource } from '../../functions/contract/clock.ts'
import type { Binding, Delivery, Store, SuspendedTransaction } from '../../functions/store/store.ts'
import { endOrphan, flowTo, type HangupParts } from '../dialog/hangup.ts'
import type { Log } from '../observe/log.ts'
import type { Forwarded, ProxyCore } from '../proxy/proxy.ts'
import type { RouteDecision } from '../proxy/route.ts'
import { bindingTarget } from '../proxy/target.ts'
import type { Pusher, PushJob } from '../push/types.ts'
import { readMessage, type SipMessage } from '../sip/message.ts'
import type { TimerHandle, TimerQueue } from '../transaction/timer-queue.ts'
import type { ClientTransaction, ClientUser } from '../transaction/types.ts'
import { isObject, parsed } from './record.ts'

/** A device that was pushed for a call which is over, and has not come yet. */
export interface Farewell {
  /** Names the call to the device, see PushMessage. */
  call: NonNullable<PushJob['call']>
  reason: NonNullable<PushJob['reason']>
  aor: string
  device: string
  /** When it was pushed, and until when that is worth anything; milliseconds since the epoch. */
  pushedAt: number
  until: number
  /** Position of the last look-up in the history of events. */
  since: string
  gateway: string
  /** Reason header of the CANCEL (RFC 3326). */
  cancelReason: string
  invite: Forwarded
}

export interface FarewellParts {
  store: Store
  ids: IdSource
  timers: TimerQueue
  proxy: ProxyCore
  hangup: HangupParts
  pusher: Pusher
  count(series: string): void
  log: Log
}

/** Before the ids of the transactions in the store that stand for them. */
const PREFIX = 'farewell-'

const FarewellRecord = z.object({
  ...{ reason: z.enum(['answered_elsewhere', 'caller_gone', 'ended']), aor: z.string(), device: z.string() },
  call: z.object({ id: z.string(), from: z.string(), to: z.string(), displayName: z.optional(z.string()) }),
  ...{ pushedAt: z.number(), until: z.number(), cancelReason: z.string(), request: z.string(), digest: z.string() },
  routes: z.custom<RouteDecision>(isObject),
  received: z.nullable(z.object({ address: z.string(), port: z.number() })),
})

/**
 * Tells devices that a call they were pushed for is over: by another push where the platform has one for that, and where it has none, as
 * Apple's VoIP pushes, by INVITE and CANCEL as soon as the device registers, on whatever gateway, for as long as the push is delivered.
 */
export class Farewells {
  readonly #parts: FarewellParts
  readonly #waiting = new Map<string, { farewell: Farewell; timer: TimerHandle }>()

  constructor(parts: FarewellParts) {
    this.#parts = parts
  }

  async say(farewell: Farewell, binding: Binding): Promise<void> {
    const { pusher, timers } = this.#parts
    const { reason, call, until } = farewell
    const ttlSeconds = Math.ceil((until - timers.now()) / 1000)
    const { callId } = farewell.invite.request
    const { outcome } = await pusher.push({ binding, purpose: 'cancel', reason, call, callId, ttlSeconds, until })
    if (outcome === 'accepted' || outcome === 'token_invalid' || timers.now() >= until) return
    const id = PREFIX + this.#parts.ids.next('transaction')
    const { gateway, aor, since } = farewell
    const transaction = {
      id,
      gateway,
      rev: 1,
      callId: farewell.invite.request.callId,
      expiresAt: until,
      state: written(farewell),
    }
    const filter = { aor }
    const subscription = {
      id: this.#parts.ids.next('subscription'),
      transaction: id,
      gateway,
      filter,
      expiresAt: until,
    }
    this.#keep(id, farewell)
    try {
      const add = [{ ...subscription, event: 'contact.registered' }]
      for (const missed of await this.#parts.store.suspend({ transaction, add, drop: [], since })) this.deliver(missed)
    } catch (error) {
      this.#failed(error)
    }
  }

  /** Whether it is one of these. */
  takeUp({ id, gateway, state }: SuspendedTransaction): boolean {
    if (!id.startsWith(PREFIX)) return false
    const read = FarewellRecord.safeParse(parsed(state))
    const message = read.success ? readMessage(read.data.request) : undefined
    if (!read.success || !message?.ok || read.data.until <= this.#parts.timers.now()) this.#release(id)
    else {
      const { request: _, digest, routes, received, ...rest } = read.data
      const invite = { request: message.message, digest, routes, received }
      this.#keep(id, { ...rest, since: '', gateway, invite })
    }
    return true
  }

  #keep(id: string, farewell: Farewell): void {
    const { timers } = this.#parts
    const owner = { onTimer: () => this.#forget(id) }
    this.#waiting.set(id, { farewell, timer: timers.start(farewell.until - timers.now(), owner, 'farewell') })
  }

  /** A device of the AOR has registered. Whether it was for one of these. */
  deliver({ transaction, location }: Delivery): boolean {
    const waiting = this.#waiting.get(transaction)
    if (waiting) void this.#registered(transaction, waiting.farewell, location?.bindings)
    return waiting !== undefined
  }

  async #registered(id: string, farewell: Farewell, found: readonly Binding[] | undefined): Promise<void> {
    try {
      const bindings = found ?? (await this.#parts.store.lookup(farewell.aor)).bindings
      const binding = bindings.find(({ device }) => device === farewell.device)
      if (!binding || binding.registeredAt < farewell.pushedAt || !this.#waiting.has(id)) return
      this.#forget(id)
      await this.#ring(farewell, binding)
    } catch (error) {
      this.#failed(error)
    }
  }

  /** The CANCEL is held until the device has answered anything (RFC 3261 9.1). */
  async #ring({ invite, call, cancelReason }: Farewell, binding: Binding): Promise<void> {
    const { proxy, hangup, count } = this.#parts
    count('farewells rung')
    const user = new Answered(invite.request, hangup)
    const headers = { set: { 'Push-Call-ID': call.id } }
    const sent = await proxy.sendAside(invite, bindingTarget(binding), headers, user)
    sent?.cancel(cancelReason)
  }

  #forget(id: string): void {
    this.#parts.timers.stop(this.#waiting.get(id)?.timer)
    this.#waiting.delete(id)
    this.#release(id)
  }

  #release(id: string): void {
    this.#parts.store.release(id).catch((error: unknown) => this.#failed(error))
  }

  #failed(error: unknown): void {
    this.#parts.count('store failures')
    this.#parts.log.error('the store has failed for a call that a device is to be told is over', {
      error: String(error),
    })
  }

  /** The process is to end: what waits is left to the next one. */
  stop(): void {
    for (const { timer } of this.#waiting.values()) this.#parts.timers.stop(timer)
    this.#waiting.clear()
  }
}

function written({ invite, since: _, gateway: __, ...rest }: Farewell): string {
  const { request, digest, routes, received } = invite
  return JSON.stringify({ ...rest, request: request.text, digest, routes, received })
}

/** Takes the call off a phone that was quicker than the CANCEL. */
class Answered implements ClientUser {
  readonly #invite: SipMessage
  readonly #parts: HangupParts

  constructor(invite: SipMessage, parts: HangupParts) {
    this.#invite = invite
    this.#parts = parts
  }

  onResponse(answer: SipMessage, { destination }: ClientTransaction): void {
    if (answer.status >= 200 && answer.status < 300)
      void endOrphan({ invite: this.#invite, answer, flow: flowTo(destination) }, this.#parts)
  }

  onTimeout(): void {}

  onTransportFailure(): void {}
}
