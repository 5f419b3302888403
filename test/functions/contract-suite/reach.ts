import { createSigner } from '../../../functions/contract/sign.ts'
import type { Invoke } from '../session.ts'

/** A way to send a request to where functions are served: below its base, with the path as it stands there. */
export type Send = (path: string, init?: RequestInit) => Promise<Response>

export const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const signer = createSigner(SECRET)
let messages = 0

/** The headers of a signed invocation; `id` default one that nothing else has. */
export async function signedHeaders(body: string, id = `msg-${++messages}`): Promise<Record<string, string>> {
  return { 'content-type': 'application/cloudevents+json', ...(await signer.sign(id, body, Date.now())) }
}

/** Invokes as a gateway does, signed. */
export function invoking(send: Send): Invoke {
  return async (path, invoked) => {
    const body = JSON.stringify(invoked)
    const response = await send(path, { method: 'POST', headers: await signedHeaders(body), body })
    const text = await response.text()
    return text === '' ? { status: response.status } : { status: response.status, body: JSON.parse(text) }
  }
}
