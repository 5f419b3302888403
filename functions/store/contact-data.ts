import type { Contact } from '../contract/envelope.ts'
import type { Binding } from './store.ts'

/** A binding as functions see it: no token of a push provider, nothing of the flow to the phone, is ever in it. */
export function contactData(binding: Binding, now: number): Contact {
  const contact: Contact = {
    uri: binding.contact,
    q: binding.q,
    expires: Math.max(0, Math.round((binding.expiresAt - now) / 1000)),
    push: binding.push !== undefined,
  }
  if (binding.instance !== undefined) contact.instance = binding.instance
  if (binding.userAgent !== undefined) contact.userAgent = binding.userAgent
  return contact
}
