/** What went wrong, for people: the message of an `Error`, anything else as text. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
