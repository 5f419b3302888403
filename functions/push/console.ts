import type { PushMessage, PushResult } from '../contract/push.ts'
import type { PushLog, PushProvider } from './provider.ts'

/** For a laptop: says that a push went out, and to whom; wakes nobody. */
export class ConsoleProvider implements PushProvider {
  readonly #log: PushLog

  constructor(log: PushLog) {
    this.#log = log
  }

  send({ id, aor, device, provider, purpose, call }: PushMessage): Promise<PushResult> {
    const fields = { id, aor, device, provider, purpose, call: call?.id }
    this.#log.info('push to the console only, nobody is woken: set a provider or a webhook', fields)
    return Promise.resolve({ outcome: 'accepted' })
  }
}
