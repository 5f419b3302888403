import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Send, signedHeaders } from '../contract-suite/reach.ts'
import type { InvocationParts } from '../invocations.ts'
import { event, invocation } from '../invocations.ts'

/** Octets of an invocation that are taken at most. */
const MOST = 4_194_304

const statusOf = ({ status }: Response) => status

export interface HttpSuiteOptions {
  /** The connection of a body that is refused before it was read is closed at once: its sender may not hear why. */
  dropsUnread?: boolean
}

/** What HTTP adds to the contract: `app.ts`, with `REGION=eu` in its environment. */
export function httpSuite(send: Send, { dropsUnread = false }: HttpSuiteOptions = {}): void {
  const invoke = async (path: string, parts: InvocationParts = {}, id?: string) => {
    const body = JSON.stringify(invocation(parts))
    return send(path, { method: 'POST', headers: await signedHeaders(body, id), body })
  }
  const actionsOf = async (response: Response) => {
    assert.equal(response.status, 200, await response.clone().text())
    return ((await response.json()) as { actions: unknown[] }).actions
  }

  describe('who may invoke', () => {
    test('the environment of the runtime is that of the handlers', async () => {
      const actions = await actionsOf(await invoke('/invite/example.com/region'))
      assert.deepEqual(actions, [{ action: 'annotate', values: { region: 'eu' } }])
    })

    test('without a signature, with that of another body, or with an old one: 401', async () => {
      const body = JSON.stringify(invocation())
      const post = (headers: Record<string, string>) =>
        send('/invite/example.com/region', { method: 'POST', headers, body })
      const good = await signedHeaders(body)
      const { 'webhook-signature': _, ...unsigned } = good
      assert.equal((await post(unsigned)).status, 401)
      assert.equal((await post(await signedHeaders(`${body} `))).status, 401)
      const aged = String(Number(good['webhook-timestamp']) - 400)
      const refused = await post({ ...good, 'webhook-timestamp': aged })
      assert.equal(refused.status, 401)
      assert.equal(((await refused.json()) as { title: string }).title, 'request.unauthorized')
    })

    test('a retry has the id of the first try, and gets its answer', async () => {
      const tried = async (attempt: number) =>
        (await invoke('/invite/example.com/order-1', { data: { attempt } }, 'msg-tried-twice')).json()
      const first = (await tried(1)) as { actions: unknown[] }
      assert.equal(first.actions.length, 1)
      assert.deepEqual(await tried(2), first)
    })

    test('an answer goes on when its wait ends, in whichever process', async () => {
      const path = '/invite/example.com/order-2'
      const { context } = (await (await invoke(path)).json()) as { context: unknown }
      const wait = { name: 'wait-1', timedOut: false, ...event('payment.confirmed', { order: 'order-2' }) }
      const resumed = () => invoke(path, { type: 'wait.resumed', data: { context, wait } })
      assert.deepEqual(await actionsOf(await resumed()), [{ action: 'reply', status: 200 }])
      assert.deepEqual(await actionsOf(await resumed()), [{ action: 'reply', status: 200 }])
    })
  })

  describe('bodies', () => {
    test('a SIP body of three megabytes arrives whole, and a context of 900 kB comes back', async () => {
      const big = { request: { uri: 'sip:size-3m@example.com', body: 'ä'.repeat(1_500_000) } }
      assert.deepEqual(await actionsOf(await invoke('/invite/example.com/size-3m', big)), [
        { action: 'annotate', values: { octets: '1500000' } },
      ])
      const { context } = (await (await invoke('/invite/example.com/keeps')).json()) as { context: { data: object } }
      assert.equal(JSON.stringify(context.data).length, 900_011)
    })

    test('a body of more than four megabytes: 413', async () => {
      const body = JSON.stringify(invocation({ request: { body: 'x'.repeat(MOST) } }))
      const headers = await signedHeaders(body)
      const sent = send('/invite/example.com/size-4m', { method: 'POST', headers, body })
      const refused = dropsUnread ? await sent.then(statusOf, () => 413) : statusOf(await sent)
      assert.equal(refused, 413)
    })

    test('a body that trickles in is read to its end', async () => {
      const body = JSON.stringify(invocation({ request: { body: 'slow' } }))
      const init = { method: 'POST', headers: await signedHeaders(body), body: trickling(body), duplex: 'half' }
      const actions = await actionsOf(await send('/invite/example.com/size-4', init as RequestInit))
      assert.deepEqual(actions, [{ action: 'annotate', values: { octets: '4' } }])
    })

    test('what is no invocation: 400', async () => {
      for (const body of ['not JSON', '{"specversion":"1.0"}', '']) {
        const headers = await signedHeaders(body)
        const { status } = await send('/invite/example.com/bob', { method: 'POST', headers, body })
        assert.equal(status, 400, body)
      }
    })
  })

  describe('HTTP routes of the app’s own', () => {
    test('octets of any value come and go as they are', async () => {
      const octets = Uint8Array.from({ length: 256 }, (_, at) => at)
      const headers = { 'content-type': 'application/octet-stream' }
      const answer = await send('/octets', { method: 'POST', headers, body: octets })
      assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), octets.reverse())
    })

    test('cookies both ways, headers and parameters that come twice', async () => {
      const headers: [string, string][] = [
        ['cookie', 'a=1; b=2'],
        ['x-more', 'first'],
        ['x-more', 'second'],
      ]
      const answer = await send('/headers?q=1&q=%C3%B6', { headers })
      assert.deepEqual(await answer.json(), { cookie: 'a=1; b=2', more: 'first, second', queries: ['1', 'ö'] })
      assert.deepEqual(answer.headers.getSetCookie(), ['one=1; Path=/', 'two=2; Path=/'])
    })

    test('the manifest; and what is nowhere: 404', async () => {
      const manifest = (await (await send('/.well-known/rouse', { headers: await signedHeaders('') })).json()) as {
        contract: number
      }
      assert.equal(manifest.contract, 1)
      assert.equal((await send('/nowhere')).status, 404)
    })
  })
}

/** In many pieces, each in a turn of its own. */
function trickling(text: string): ReadableStream<Uint8Array> {
  const octets = new TextEncoder().encode(text)
  let at = 0
  return new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 0))
      if (at >= octets.length) return controller.close()
      controller.enqueue(octets.subarray(at, at + 50))
      at += 50
    },
  })
}
