import { createHash } from 'node:crypto'
import type { Binding } from '../../functions/store/store.ts'
import type { RegistrarOptions } from './options.ts'

/** Below this a device cannot be told when to refresh: "an indicator value bigger than 120" (RFC 8599 5.6.1.1). Seconds. */
const LEAST_ANNOUNCED = 120
/** The first pushes of bindings made at the same time are spread over this part of their interval. */
const SPREAD = 0.1
/** The first gap between two pushes for one binding, as a part of what is left of it; each later gap is twice as long. */
const FIRST_GAP = 0.1

type Lead = Pick<RegistrarOptions, 'refreshLead'>

/** How long before its expiry a binding of so many seconds is to be refreshed at the latest, in seconds; a short one has less time. */
function leadOf(interval: number, { refreshLead }: Lead): number {
  return Math.min(refreshLead, Math.floor(interval / 3))
}

/** `+sip.pnsreg` for a device that wakes by itself: how long before the expiry it has to; undefined: it is pushed. Seconds. */
export function announcedRefresh(interval: number, options: Lead): number | undefined {
  const announced = 2 * leadOf(interval, options)
  return announced > LEAST_ANNOUNCED ? announced : undefined
}

/**
 * When a push is to ask for the refresh of a binding, unless it has come before, in milliseconds since the epoch; undefined: never. By a
 * digest of the device, so that what registered in one minute is not pushed in one second. What wakes by itself has time until then.
 * @param interval seconds, as granted
 */
export function firstRefresh(
  device: { aor: string; device: string; wakesItself: boolean },
  interval: number,
  now: number,
  options: Lead,
): number | undefined {
  const lead = leadOf(interval, options)
  if (lead === 0) return undefined
  const isAnnounced = device.wakesItself && announcedRefresh(interval, options) !== undefined
  const spread = isAnnounced ? lead : interval * SPREAD
  const early = lead + spread * fraction(`${device.aor} ${device.device}`)
  return now + Math.floor((interval - early) * 1000)
}

/** What a binding is like once its push has gone out: due again while there is time, then no more. */
export function afterRefreshPush(binding: Binding, now: number, options: Lead): Binding {
  const { refresh, ...rest } = binding
  const tries = (refresh?.tries ?? 0) + 1
  const leadMs = leadOf((binding.expiresAt - binding.registeredAt) / 1000, options) * 1000
  const gap = leadMs * FIRST_GAP
  const at = Math.floor(now + gap * 2 ** (tries - 1))
  return at < binding.expiresAt - gap ? { ...binding, refresh: { at, tries } } : rest
}

/** From 0 up to 1, the same for the same text. */
function fraction(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE() / 2 ** 32
}
