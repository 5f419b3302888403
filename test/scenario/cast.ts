import type { Phone, PhoneOptions } from '../support/phone.ts'
import type { World } from '../support/world.ts'

/** How long ago sleeping phones have registered: who did a moment ago is not taken for asleep. */
export const ASLEEP_SINCE_MS = 10_000

/** A phone that can be woken by a push (RFC 8599). It has registered, and sleeps for a while now: nothing is at its address. */
export async function sleepingPhone(w: World, name: string, options: Partial<PhoneOptions> = {}): Promise<Phone> {
  const phone = await w.phone(name, { ...pushable(name), ...options })
  await phone.registers()
  await phone.vanish()
  await registeredLongAgo(w)
  return phone
}

/** What has registered has done so a while ago. */
export async function registeredLongAgo(w: World): Promise<void> {
  await w.advance(ASLEEP_SINCE_MS)
  w.ladder.beginsNow()
}

/** What the Contact of such a phone says of it. */
export function pushable(name: string): Partial<PhoneOptions> {
  return { instance: `urn:uuid:${name}`, contactParams: `pn-provider=fcm;pn-param=app;pn-prid=token-of-${name}` }
}
