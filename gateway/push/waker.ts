import { type Clock, pause } from '../../functions/contract/clock.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Binding, Store } from '../../functions/store/store.ts'
import { everyBinding } from '../../functions/store/whereabouts.ts'
import type { ProxyContext } from '../proxy/context.ts'
import { bindingTarget, type Target } from '../proxy/target.ts'
import type { Pusher } from './types.ts'

/** So long a device has to make a sound before it is taken to sleep: by then three copies of a request were lost. Milliseconds. */
const SILENT_MS = 1500
/** A non-INVITE fails at its sender after 32 s (Timer F): whoever has come by then is left some time to answer. Milliseconds. */
const NON_INVITE_MS = 24_000
/** A re-INVITE, whose sender has a 100, is held for longer. Milliseconds. */
const INVITE_MS = 60_000
/** How often the store is asked whether a device has come by way of another gateway. Milliseconds. */
const LOOK_MS = 500
/** A device that was pushed so shortly before is on its way: it is not pushed once more. Milliseconds. */
const PUSHED_MS = 5000

export interface WakerParts {
  store: Store
  clock: Clock
  pusher: Pusher
  newId(): string
}

/** What is to reach a device that may sleep. */
export interface Wanted {
  context: ProxyContext
  /** Nobody can be where the device was: nothing was sent there, and it is pushed at once. */
  isAway?: boolean
  /** The target of a device once it has registered; default its binding as it is. */
  target?(binding: Binding): Target
}

/**
 * Wakes devices for requests other than the INVITE of a call (RFC 8599 5.6.2 and 6): whoever makes no sound is pushed, and gets the request
 * when it has registered; meanwhile the request is held.
 */
export class Waker {
  readonly #parts: WakerParts
  /** Who waits for a REGISTER, by address-of-record. */
  readonly #waiting = new Map<string, Set<() => void>>()
  /** Devices that were pushed lately, and what became of that. */
  readonly #pushed = new Map<string, { result: Promise<boolean>; wantedBy: ProxyContext[] }>()

  constructor(parts: WakerParts) {
    this.#parts = parts
  }

  /** What this gateway's own registrar tells; that of others shows in the store. */
  heard(events: readonly RouseEvent[]): void {
    for (const { type, attributes } of events)
      if (type === 'contact.registered') for (const look of this.#waiting.get(String(attributes.aor)) ?? []) look()
  }

  /** Holds the request until each of these devices has answered, or has come and got it, or there is no time left: then 480. */
  async wake(devices: readonly Binding[], wanted: Wanted): Promise<void> {
    const { context } = wanted
    const sleepers = devices.filter(({ push }) => push && push.invalidSince === undefined)
    if (sleepers.length === 0 || !context.isOpen) return
    const { clock } = this.#parts
    const until = clock.now() + (context.isInvite ? INVITE_MS : NON_INVITE_MS)
    context.hold()
    const woken = await Promise.all(sleepers.map((binding) => this.#wakeOne(binding, wanted, until)))
    if (woken.includes(true)) context.release()
    else context.stopWaiting()
  }

  /** @returns whether it is awake: it has made a sound, or has come */
  async #wakeOne(binding: Binding, wanted: Wanted, until: number): Promise<boolean> {
    const { context } = wanted
    if (!wanted.isAway && !binding.asleep && !hasFailed(context, binding)) await pause(this.#parts.clock, SILENT_MS)
    if (!context.isOpen || hasAnswered(context, binding)) return true
    const come = this.#comes(binding, context, until)
    const found = await Promise.race([come, this.#push(binding, context, until).then((ok) => (ok ? come : undefined))])
    if (!found || !context.isOpen) return false
    context.fork([wanted.target?.(found) ?? bindingTarget(found)], { mode: 'parallel' })
    return true
  }

  /** Resolves with the binding that its device has made anew. */
  #comes(known: Binding, context: ProxyContext, until: number): Promise<Binding | undefined> {
    const { store, clock } = this.#parts
    const { promise, resolve } = Promise.withResolvers<Binding | undefined>()
    const waiting = this.#waiting.get(known.aor) ?? new Set()
    this.#waiting.set(known.aor, waiting)
    const end = (found: Binding | undefined) => {
      waiting.delete(look)
      if (waiting.size === 0 && this.#waiting.get(known.aor) === waiting) this.#waiting.delete(known.aor)
      resolve(found)
    }
    const look = () =>
      void store.lookup(known.aor).then(
        ({ bindings }) => {
          const found = bindings.find((binding) => isMadeAnew(known, binding))
          if (found) end(found)
        },
        // The store is away: the next look may tell.
        () => {},
      )
    const goOn = () => {
      if (!waiting.has(look)) return
      if (clock.now() >= until || !context.isOpen) return end(undefined)
      look()
      clock.after(LOOK_MS, goOn)
    }
    waiting.add(look)
    clock.after(LOOK_MS, goOn)
    return promise
  }

  /** @returns whether the device may come */
  #push(binding: Binding, context: ProxyContext, until: number): Promise<boolean> {
    const { clock, pusher, newId } = this.#parts
    const key = `${binding.aor} ${binding.device}`
    const before = this.#pushed.get(key)
    if (before) {
      before.wantedBy.push(context)
      return before.result
    }
    const { request } = context
    const ttlSeconds = Math.ceil((until - clock.now()) / 1000)
    const caller = request.from?.uri ?? ''
    const call = { id: newId(), from: caller, to: binding.aor }
    const wantedBy = [context]
    const isWanted = () => wantedBy.some(({ isOpen }) => isOpen)
    const { callId } = request
    const pushing = pusher.push({ binding, purpose: 'request', call, callId, caller, ttlSeconds, until, isWanted })
    const result = pushing.then(({ outcome }) => outcome === 'accepted')
    this.#pushed.set(key, { result, wantedBy })
    clock.after(PUSHED_MS, () => this.#pushed.delete(key))
    return result
  }
}

/** The binding of a device of whose key only so much is known, asleep or not. */
export async function deviceAmong(
  store: Store,
  aor: string,
  isMeant: (device: string) => boolean,
): Promise<Binding | undefined> {
  return everyBinding(await store.lookup(aor)).find(({ device }) => isMeant(device))
}

/** Something has come from there: no failure of our own, and not the word of the gateway that had its connection (RFC 5626 5.3.1). */
function hasAnswered(context: ProxyContext, { device }: Binding): boolean {
  return context.branches.some(({ target, final, isLive, status }) => {
    return target.device === device && (final ? status !== 430 : isLive && status > 0)
  })
}

/** It was tried, and nothing is left to try. */
function hasFailed(context: ProxyContext, { device }: Binding): boolean {
  const tried = context.branches.filter(({ target }) => target.device === device)
  return tried.length > 0 && !tried.some(({ isLive }) => isLive)
}

function isMadeAnew(known: Binding, now: Binding): boolean {
  if (known.device !== now.device) return false
  return known.asleep === true || known.registeredAt !== now.registeredAt || known.cseq !== now.cseq
}
