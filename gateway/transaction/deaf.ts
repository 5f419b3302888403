import type { ClientUser } from './types.ts'

/** For requests whose answer nobody waits for: the transaction repeats them until there is one, and that is all. */
export const deaf: ClientUser = { onResponse() {}, onTimeout() {}, onTransportFailure() {} }
