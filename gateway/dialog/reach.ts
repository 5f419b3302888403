import type { Binding, Store } from '../../functions/store/store.ts'
import type { Peers } from '../cluster/peers.ts'
import type { Identity } from '../proxy/identity.ts'
import { flowNamed, pathTo } from '../proxy/next-hop.ts'
import { bindingTarget, type Target } from '../proxy/target.ts'
import type { Flow, TransportLayer } from '../transport/types.ts'
import type { Dialog, DialogSide, Party } from './dialog.ts'
import { bindingsOf, farEndOf, isSameContact } from './far-end.ts'

export interface ReachParts {
  /** Name of this gateway, as bindings have it. */
  gateway: string
  store: Store
  transport: TransportLayer
  peers: Peers
  identity: Pick<Identity, 'isLocalDomain'>
}

/**
 * Where the ends of dialogs are: by the flow they talk by, while that is there, and by that of their registration when it is gone. A phone
 * that has connected anew has registered anew.
 */
export class Reach {
  readonly #parts: ReachParts

  constructor(parts: ReachParts) {
    this.#parts = parts
  }

  /** The flow to reach an end by; undefined: by its remote target, unless it is lost. */
  flowTo({ flow }: Party): Flow | undefined {
    return flow !== undefined && flow !== 'unknown' && this.#parts.transport.isAlive(flow) ? flow : undefined
  }

  /** Whether the flow by which it was reached is gone: its remote target alone may lead nowhere. */
  isLost(party: Party): boolean {
    return party.flow !== undefined && this.flowTo(party) === undefined
  }

  /**
   * Looks up an end that is lost. A flow that is found is its flow from now on.
   * @param uri the Request-URI of what is to be sent to it
   * @returns undefined when nobody can say more than that URI, or the store is away; never rejects
   */
  async find(dialog: Dialog, party: Party, uri: string): Promise<Target | undefined> {
    // Read at once: when the dialog is over its messages are forgotten.
    const end = farEndOf(dialog, party, this.#parts.identity)
    const location = end && (await this.#parts.store.lookup(end.aor).catch(() => undefined))
    for (const binding of end && location ? bindingsOf(end, location.bindings) : []) {
      const { received, path } = binding
      const isByAddress = !received.nat && path.length === 0
      if (isByAddress && isSameContact(binding.contact, end!.contact)) {
        party.flow = undefined
        return undefined
      }
      if (isByAddress) return bindingTarget(binding)
      const found = this.#along(binding, party, uri)
      if (found) return found
    }
    return undefined
  }

  /** By the flow of its registration, here or at another gateway, or the Path of it; undefined when that is gone, too. */
  #along(binding: Binding, party: Party, uri: string): Target | undefined {
    const { gateway, transport, peers } = this.#parts
    const target: Target = { ...bindingTarget(binding), uri }
    if (pathTo(binding, peers)) return target
    const flow = binding.received.gateway === gateway ? flowNamed(binding.received, transport) : undefined
    if (!flow || !transport.isAlive(flow)) return undefined
    party.flow = flow
    return { ...target, binding: undefined, flow }
  }

  /** The same for a request of our own: where it goes, as it is known there. */
  async findSide(dialog: Dialog, party: Party, side: DialogSide): Promise<DialogSide> {
    const found = await this.find(dialog, party, side.target)
    if (!found?.binding) return side
    return { ...side, target: found.uri, routes: pathTo(found.binding, this.#parts.peers) ?? [] }
  }
}
