import assert from 'node:assert/strict'
import type { Action, ActionOf } from '../../../functions/contract/actions.ts'
import type { Invocation } from '../../../functions/contract/envelope.ts'
import { createSigner } from '../../../functions/contract/sign.ts'
import { validateAnswer, validateInvocation } from '../../../functions/contract/validate.ts'
import { fault } from '../contract/judge.ts'

export interface Reply {
  status: number
  type: string
  body: unknown
}

/** Invokes a function at a URL as a gateway does, and holds what comes back against the published schema, and its signature. */
export class Caller {
  readonly url: string
  readonly #secret: string
  #messages = 0

  constructor(url: string, secret: string) {
    this.url = url
    this.#secret = secret
  }

  async manifest(signature?: Record<string, string>): Promise<Reply> {
    const headers = signature ?? { ...(await createSigner(this.#secret).sign('manifest', '', Date.now())) }
    return this.#replyTo(headers, await fetch(`${this.url}/.well-known/rouse`, { headers }))
  }

  invoke(path: string, invocation: Invocation): Promise<Reply> {
    assert.ok(validateInvocation(invocation).ok)
    return this.send(path, JSON.stringify(invocation))
  }

  /** Signs and sends any text; `id` default one that nothing else has, since what comes again is a replay. */
  async send(
    path: string,
    body: string,
    id = `msg-${++this.#messages}`,
    secret = this.#secret,
    now = Date.now(),
  ): Promise<Reply> {
    return this.raw(path, body, { ...(await createSigner(secret).sign(id, body, now)) })
  }

  async raw(path: string, body: string, signature: Record<string, string>): Promise<Reply> {
    const headers = { 'content-type': 'application/cloudevents+json', 'accept': 'application/json', ...signature }
    return this.#replyTo(headers, await fetch(this.url + path, { method: 'POST', headers, body, redirect: 'manual' }))
  }

  /** What a gateway acts on is signed, with the id of what it answers. */
  async #replyTo(asked: Record<string, string>, response: Response): Promise<Reply> {
    const text = await response.text()
    if (response.ok) {
      assert.equal(response.headers.get('webhook-id'), asked['webhook-id'])
      const signer = createSigner(this.#secret)
      assert.ok((await signer.verify((name) => response.headers.get(name), text, Date.now())).ok, 'not signed')
    }
    const type = response.headers.get('content-type') ?? ''
    return { status: response.status, type, body: text === '' ? undefined : JSON.parse(text) }
  }

  /** The answer to an invocation, which has to be one. */
  async answer(path: string, invocation: Invocation): Promise<{ actions: Action[]; context: unknown }> {
    const { status, body } = await this.invoke(path, invocation)
    assert.equal(status, 200, JSON.stringify(body))
    assert.equal(fault('Answer', body), undefined)
    const checked = validateAnswer(body)
    assert.ok(checked.ok, JSON.stringify(checked))
    return { actions: checked.value.actions, context: checked.value.context }
  }
}

/** A problem of this code, as the schema has it. */
export function assertProblem({ status, type, body }: Reply, expectedStatus: number, code: string): void {
  assert.equal(fault('Problem', body), undefined, JSON.stringify(body))
  assert.deepEqual([status, (body as { title: string }).title], [expectedStatus, code])
  assert.match(type, /^application\/problem\+json/)
}

/** The one action of that name. */
export function only<Name extends Action['action']>(actions: Action[], name: Name): ActionOf<Name> {
  const found = actions.filter(({ action }) => action === name)
  assert.equal(found.length, 1, `${name} in ${JSON.stringify(actions)}`)
  return found[0] as ActionOf<Name>
}
