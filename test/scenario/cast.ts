import type { Phone, PhoneOptions } from '../support/phone.ts'
import type { World } from '../support/world.ts'

/** A phone that can be woken by a push (RFC 8599). It has registered, and sleeps now: nothing is at its address. */
export async function sleepingPhone(w: World, name: string, options: Partial<PhoneOptions> = {}): Promise<Phone> {
  const phone = await w.phone(name, { ...pushable(name), ...options })
  await phone.registers()
  await phone.vanish()
  return phone
}

/** What the Contact of such a phone says of it. */
export function pushable(name: string): Partial<PhoneOptions> {
  return { instance: `urn:uuid:${name}`, contactParams: `pn-provider=fcm;pn-param=app;pn-prid=token-of-${name}` }
}
