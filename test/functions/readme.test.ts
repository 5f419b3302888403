import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { describe, test } from 'node:test'
import type { Push } from '../../functions/push/index.ts'
import type { SipRouter } from '../../functions/sdk/index.ts'
import { BOB_PHONE, invocation } from './invocations.ts'
import { byDispatch, event, outcome, Session } from './session.ts'

/** The examples of the READMEs, as they stand there. */
async function example(room: string, name: string): Promise<Record<string, unknown>> {
  const folder = new URL(`../../functions/${room}/`, import.meta.url)
  const text = readFileSync(new URL('README.md', folder), 'utf8')
  const block = new RegExp(`\`\`\`ts\\n(// example: ${name}\\n[^]*?)\`\`\``).exec(text)?.[1]
  assert.ok(block, `functions/${room}/README.md has no example "${name}"`)
  const located = block
    .replaceAll("'rouse'", `'${new URL('../../functions/sdk/index.ts', import.meta.url)}'`)
    .replaceAll("'./index.ts'", `'${new URL('index.ts', folder)}'`)
  return import(`data:text/javascript,${encodeURIComponent(stripTypeScriptTypes(located))}`)
}

async function router(name: string): Promise<SipRouter> {
  return (await example('sdk', name)).default as SipRouter
}

const AOR = 'sip:bob@example.com'

describe('the examples of functions/sdk/README.md', () => {
  test('first: ring, push and wait, fork late', async () => {
    const s = new Session(byDispatch(await router('first')))
    const names = (actions: { action: string }[]) => actions.map(({ action }) => action)
    assert.deepEqual(names(await s.start()), ['fork', 'wait'])
    assert.deepEqual(names(await s.resume('ring-1', outcome('ring-1', false, 486))), ['wait', 'push'])
    assert.deepEqual(await s.resume('wait-2', event('contact.registered', { contact: BOB_PHONE.uri })), [
      { action: 'fork', targets: [BOB_PHONE.uri] },
    ])
  })

  test('reactions: by a handler, and without any invocation', async () => {
    const sip = await router('reactions')
    const fax = new Session(byDispatch(sip))
    assert.deepEqual(
      (await fax.start({}, '/invite/fax.example.com/bob')).map(({ action }) => action),
      ['subscribe', 'fork'],
    )
    assert.deepEqual(await fax.fire('screen', 'dtmf', { digit: '3' }), [{ action: 'hangup', reason: 'fax' }])
    assert.deepEqual(await fax.fire('screen', 'dtmf', { digit: '2' }), [])
    const [subscribe, ...others] = await new Session(byDispatch(sip)).start()
    assert.deepEqual(subscribe, {
      action: 'subscribe',
      event: 'contact.registered',
      filter: { aor: AOR },
      actions: [{ action: 'fork', targets: [{ fromEvent: 'contact' }] }],
      for: '30s',
    })
    assert.deepEqual(
      others.map(({ action }) => action),
      ['push', 'fork', 'halt'],
    )
  })

  test('run: the blocklist is asked once; whoever comes first; only one’s own name may be registered', async () => {
    const sip = await router('run')
    let asked = 0
    const env = {
      blocklist: async () => {
        asked++
        return ['sip:eve@example.com']
      },
      passwords: {},
    }
    const s = new Session((path, invoked) => sip.dispatch(path, invoked, { env }))
    assert.deepEqual(
      (await s.start()).map(({ action }) => action),
      ['fork', 'wait', 'wait'],
    )
    const actions = await s.resume('wait-3', event('pickup', { contact: 'sip:carol@192.0.2.5' }))
    assert.deepEqual(actions, [
      { action: 'cancel', reason: 'Picked up' },
      { action: 'fork', targets: ['sip:carol@192.0.2.5'] },
      { action: 'unsubscribe', name: 'ring-2' },
    ])
    assert.equal(asked, 1)
    const eve = await new Session((path, invoked) => sip.dispatch(path, invoked, { env })).start({
      request: { from: '<sip:eve@example.com>;tag=1' },
    })
    assert.deepEqual(eve, [{ action: 'reply', status: 603 }])
    const register = await sip.dispatch('/register/example.com/bob', invocation({ request: { method: 'REGISTER' } }), {
      env,
    })
    assert.deepEqual(register.body, { actions: [{ action: 'challenge', realm: 'example.com', proxy: false }] })
  })
})

test('the example of functions/contract/README.md', async () => {
  const { problem, reaction, verified } = (await example('contract', 'contract')) as Record<string, unknown>
  assert.deepEqual(problem, {
    code: 'handler.invalid_answer',
    detail: 'actions[0].headers.set: "Via" belongs to the gateway',
    pointer: '/actions/0/headers/set/Via',
  })
  assert.deepEqual(reaction, { ok: true, value: [{ action: 'fork', targets: ['sip:bob@192.0.2.7'] }] })
  assert.deepEqual(verified, { ok: true, value: 'msg-1' })
})

test('the example of functions/push/README.md', async () => {
  const push = (await example('push', 'push')).push as Push
  const message = { id: 'p', aor: AOR, device: 'd', provider: 'pager', prid: 't', param: '', ttlSeconds: 30 }
  assert.deepEqual(await push.send(message), { outcome: 'accepted' })
  assert.deepEqual(await push.send({ ...message, prid: '' }), { outcome: 'token_invalid' })
})
