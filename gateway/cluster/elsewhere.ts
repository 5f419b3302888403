import type { Clock } from '../../functions/contract/clock.ts'
import type { Store, SuspendedTransaction } from '../../functions/store/store.ts'
import type { Log } from '../observe/log.ts'
import type { Peers } from './peers.ts'

/** What the store has to be given, again and again until it takes it. */
interface Untold {
  writeAgain(): Promise<boolean>
}

export interface ElsewhereParts {
  /** Name of this gateway. */
  gateway: string
  store: Store
  clock: Clock
  peers: Peers
  /** How long a dialog may live. Milliseconds. */
  maxDialogMs: number
  /** Gives the store again what it has not taken, or has lost. */
  writing: { add(untold: Untold): void; addAll(untold: Iterable<Untold>): void; delete(untold: Untold): void }
  count(series: string): void
  log: Log
}

/** Before the ids of the transactions in the store that stand for answered calls. */
const PREFIX = 'dialog-'

/**
 * Answered calls whose routes name another gateway than the one that has them: they rang when theirs died, were answered at its adopter, and
 * stay there when theirs is back. A record in the store says so to whoever is that gateway next; what reaches it goes on to where they are.
 */
export class Elsewhere {
  readonly #parts: ElsewhereParts
  /** Calls that are here, and written down, by id. */
  readonly #told = new Map<string, Untold>()
  /** Who has the dialogs of a Call-ID, in order of expiry. */
  readonly #holders = new Map<string, { holder: string; expiresAt: number }>()

  constructor(parts: ElsewhereParts) {
    this.#parts = parts
  }

  /** Says that answered calls of that gateway stay here. */
  async tell(gateway: string, calls: readonly { id: string; callId: string }[]): Promise<void> {
    const { clock, gateway: holder, maxDialogMs } = this.#parts
    const expiresAt = clock.now() + maxDialogMs
    const telling = calls.map(({ id, callId }) => {
      const transaction = { id: PREFIX + id, gateway, rev: 1, callId, expiresAt, state: holder }
      const call = { writeAgain: () => this.#write(id, transaction) }
      this.#told.set(id, call)
      return call.writeAgain()
    })
    await Promise.all(telling)
  }

  /** The store has lost what it had of them. */
  writeAgain(): void {
    if (this.#told.size > 0) this.#parts.writing.addAll(this.#told.values())
  }

  async #write(id: string, transaction: SuspendedTransaction): Promise<boolean> {
    const { store, writing } = this.#parts
    try {
      await store.suspend({ transaction, add: [], drop: [], since: '' })
      return true
    } catch (error) {
      this.#failed(error)
      const call = this.#told.get(id)
      if (call) writing.add(call)
      return false
    }
  }

  /** A call that was here has ended. */
  over(id: string): void {
    const call = this.#told.get(id)
    if (!call) return
    this.#told.delete(id)
    this.#parts.writing.delete(call)
    this.#parts.store.release(PREFIX + id).catch((error: unknown) => this.#failed(error))
  }

  /** Whether it is one of these records. */
  takeUp({ id, callId, expiresAt, state: holder }: SuspendedTransaction): boolean {
    if (!id.startsWith(PREFIX)) return false
    if (holder !== this.#parts.gateway) this.#learn(callId, holder, expiresAt)
    return true
  }

  #learn(callId: string, holder: string, expiresAt: number): void {
    const now = this.#parts.clock.now()
    for (const [known, { expiresAt }] of this.#holders) {
      if (expiresAt > now) break
      this.#holders.delete(known)
    }
    this.#holders.set(callId, { holder, expiresAt })
  }

  /** The gateway that has the dialogs of a Call-ID; undefined when none is known, or it is gone. */
  holderOf(callId: string): string | undefined {
    const found = this.#holders.get(callId)
    return found && this.#parts.peers.has(found.holder) ? found.holder : undefined
  }

  #failed(error: unknown): void {
    this.#parts.count('store failures')
    this.#parts.log.error('the store has failed for answered calls of a gateway that is back', { error: String(error) })
  }
}
