/** JSON-RPC as CGRateS speaks it: that of Go, without the member `jsonrpc`, parameters in an array of one. */

/** What came of a request. */
export type Reply =
  | { kind: 'result'; result: unknown }
  /** The other side has answered, and says no. */
  | { kind: 'error'; error: string }
  /** No answer. `wasSent`: it may have been done all the same. */
  | { kind: 'away'; why: string; wasSent: boolean }

export interface Rpc {
  /** Always resolves, at the latest when the time for an answer is over. */
  call(method: string, param: object): Promise<Reply>
  readonly health: { isUp: boolean; text: string }
  start(): void
  stop(): void
}

/** What whoever uses the connection is told. */
export interface RpcEvents {
  /** The other side can be reached (again). */
  up(): void
  /** It cannot any more; `why` in a few words. */
  down(why: string): void
  /** It asks for something. @returns its result. Throws what it is told as the error. */
  request(method: string, param: unknown): unknown
}

export type Message =
  | { kind: 'request'; id: unknown; method: string; param: unknown }
  | { kind: 'reply'; id: number; reply: Reply }

export function requestText(id: number, method: string, param: object): string {
  return JSON.stringify({ method, params: [param], id })
}

export function replyText(id: unknown, outcome: { result: unknown } | { error: string }): string {
  return JSON.stringify({ id, result: null, error: null, ...outcome })
}

/** What one object of the stream is; undefined when it is neither request nor reply. */
export function readMessage(json: unknown): Message | undefined {
  if (typeof json !== 'object' || json === null) return undefined
  const { id, method, params, result, error } = json as Record<string, unknown>
  if (typeof method === 'string')
    return { kind: 'request', id: id ?? null, method, param: Array.isArray(params) ? params[0] : params }
  if (typeof id !== 'number' || (result === undefined && error === undefined)) return undefined
  const text = errorText(error)
  return { kind: 'reply', id, reply: text === undefined ? { kind: 'result', result } : { kind: 'error', error: text } }
}

/** A text in Go's JSON-RPC, an object with a message in others. */
function errorText(error: unknown): string | undefined {
  if (error === null || error === undefined || error === '') return undefined
  const text = typeof error === 'object' && 'message' in error ? String(error.message) : String(error)
  return text.replace(/[\u0000-\u001f\u007f]/g, ' ').slice(0, 500)
}
