import type { PushMessage, PushResult } from '../contract/push.ts'

/** Sends one push to one device. May reject: that counts as `failed`. */
export interface PushProvider {
  send(message: PushMessage): Promise<PushResult>
}

/** Where a line about each push goes. No token is ever in one. */
export interface PushLog {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void
}
