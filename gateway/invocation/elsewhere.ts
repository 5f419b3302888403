import type { Clock } from '../../functions/contract/clock.ts'
import type { Store, SuspendedTransaction } from '../../functions/store/store.ts'
import type { Holders, Peers } from '../cluster/peers.ts'
import type { Log } from '../observe/log.ts'
import { Kept } from './kept.ts'
import type { Writing } from './writing.ts'

export interface ElsewhereParts {
  /** Name of this gateway. */
  gateway: string
  store: Store
  clock: Clock
  peers: Peers
  /** How long a dialog may live. Milliseconds. */
  maxDialogMs: number
  writing: Writing
  count(series: string): void
  log: Log
}

/** A call that is talked on. */
export interface MovedCall {
  id: string
  /** SIP Call-ID. */
  callId: string
  /** Gateways that had it before: its routes name one of them. */
  formerly: readonly string[]
}

/**
 * Answered calls whose routes name another gateway than the one that has them: when theirs died they were adopted, and they stay there when
 * theirs is back. A record in the store says so to whoever is that gateway next; what reaches it goes on to where they are.
 */
export class Elsewhere implements Holders {
  readonly #parts: ElsewhereParts
  /** Of calls that are here. */
  readonly #kept: Kept
  /** Who has the dialogs of a Call-ID, in order of expiry. */
  readonly #holders = new Map<string, { holder: string; expiresAt: number }>()

  constructor(parts: ElsewhereParts) {
    this.#parts = parts
    this.#kept = new Kept('dialog-', { ...parts, failed: (error) => this.#failed(error) })
  }

  /** Says to all gateways that had a call that it is here. */
  async tell({ id, callId, formerly }: MovedCall): Promise<void> {
    const { clock, gateway: holder, maxDialogMs } = this.#parts
    const expiresAt = clock.now() + maxDialogMs
    this.#holders.delete(callId)
    await Promise.all(
      formerly.map((gateway) =>
        this.#kept.keep(nameOf(id, gateway), () => ({ gateway, callId, expiresAt, state: holder })),
      ),
    )
  }

  /** The store has lost what it had of them. */
  writeAgain(): void {
    this.#kept.writeAgain()
  }

  /** A call is here no more. @param hasEnded nobody has it: what another gateway has said of it, which is gone, holds no longer either */
  over({ id, formerly }: MovedCall, hasEnded: boolean): void {
    for (const gateway of formerly) {
      if (hasEnded) this.#kept.forget(nameOf(id, gateway))
      else this.#kept.drop(nameOf(id, gateway))
    }
  }

  /** Whether it is one of these records. */
  takeUp(stored: SuspendedTransaction): boolean {
    if (!this.#kept.isOne(stored)) return false
    const { callId, expiresAt, state: holder } = stored
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

  holderOf(callId: string): string | undefined {
    const found = this.#holders.get(callId)
    return found && this.#parts.peers.has(found.holder) ? found.holder : undefined
  }

  #failed(error: unknown): void {
    this.#parts.count('store failures')
    this.#parts.log.error('the store has failed for answered calls of a gateway that is back', { error: String(error) })
  }
}

function nameOf(id: string, gateway: string): string {
  return `${id}-${gateway}`
}
