import type { Binding } from '../../functions/store/store.ts'
import type { Flow } from '../transport/types.ts'

/** One place to fork a request to. */
export interface Target {
  /** Becomes the Request-URI. */
  uri: string
  /** 0 to 1; contacts of equal q ring together. */
  q: number
  /** The device, of which one branch rings at a time; for a target that is no registered contact, the URI. */
  device: string
  /** The binding it came from: its Path and flow are used. */
  binding: Binding | undefined
  /** A flow to use whatever the URI says: the far end of a dialog behind a NAT or on a connection. */
  flow?: Flow | undefined
  /** A Route value to go by before those that are left of the request's own: another gateway, which goes on from there. */
  route?: string | undefined
}

/** The target a registered contact makes. */
export function bindingTarget(binding: Binding): Target {
  return { uri: binding.contact, q: binding.q, device: binding.device, binding }
}
