import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createSigner } from '../../../functions/contract/sign.ts'
import { invocation } from '../invocations.ts'

const ENTRY = fileURLToPath(new URL('../../../functions/entry/node.ts', import.meta.url))
const APP = fileURLToPath(new URL('./app-for-node.ts', import.meta.url))
const children: ChildProcess[] = []

after(() => {
  for (const child of children) child.kill('SIGKILL')
})

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const UNSIGNED = { FUNCTIONS_UNSIGNED: 'loopback' }

function start(args: string[], env: Record<string, string> = UNSIGNED) {
  const child = spawn(process.execPath, [ENTRY, ...args], { env: { ...process.env, PORT: '0', ...env } })
  children.push(child)
  let errors = ''
  child.stderr.on('data', (text) => {
    errors += text
  })
  const listening = new Promise<string>((resolve) => {
    child.stdout.on('data', (text) => {
      const url = /http:\S+/.exec(String(text))
      if (url) resolve(url[0])
    })
  })
  return { child, listening, errors: () => errors, exited: once(child, 'exit') }
}

test('an app is served over HTTP; SIGTERM ends it at once, idle connections or not', async () => {
  const { child, listening, exited } = start([APP], { REGION: 'eu', ...UNSIGNED })
  const url = await listening
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/)
  const manifest = (await (await fetch(`${url}/.well-known/rouse`)).json()) as { handlers: string[] }
  assert.deepEqual(manifest.handlers, ['late-fork'])
  const invoked = { method: 'POST', body: JSON.stringify(invocation()) }
  const answer = await (await fetch(`${url}/invite/example.com/bob`, invoked)).json()
  assert.deepEqual(answer, { actions: [{ action: 'annotate', values: { region: 'eu' } }] })
  const idle = connect(Number(new URL(url).port), '127.0.0.1')
  await once(idle, 'connect')
  const started = performance.now()
  child.kill('SIGTERM')
  assert.deepEqual(await exited, [0, null])
  assert.ok(performance.now() - started < 4000)
})

test('with WEBHOOK_SECRET it serves whoever signs, and signs its answers', async () => {
  const { child, listening, exited } = start([APP], { WEBHOOK_SECRET: SECRET, REGION: 'eu' })
  const url = `${await listening}/invite/example.com/bob`
  const body = JSON.stringify(invocation())
  assert.equal((await fetch(url, { method: 'POST', body })).status, 401)
  const signer = createSigner(SECRET)
  const headers = { ...(await signer.sign('msg-1', body, Date.now())) }
  const response = await fetch(url, { method: 'POST', body, headers })
  assert.equal(response.status, 200)
  const verified = await signer.verify((name) => response.headers.get(name), await response.text(), Date.now())
  assert.equal(verified.ok && verified.value.id, 'msg-1')
  child.kill('SIGTERM')
  await exited
})

test('an invocation that is under way when it is stopped is answered', async () => {
  const { listening, exited } = start([APP])
  const invoked = { method: 'POST', body: JSON.stringify(invocation()) }
  const answer = await (await fetch(`${await listening}/message/example.com/bob`, invoked)).json()
  assert.deepEqual(answer, { actions: [{ action: 'reply', status: 202 }] })
  assert.deepEqual(await exited, [0, null])
})

test('what is wrong is said in one sentence', async () => {
  const cases: [string[], Record<string, string>, RegExp][] = [
    [[], {}, /which app\? node functions\/entry\/node.ts \.\/app.ts/],
    [['./nowhere.ts'], {}, /nowhere.ts does not exist/],
    [[fileURLToPath(import.meta.resolve('../invocations.ts'))], {}, /no default export with fetch/],
    [[APP], { PORT: 'http' }, /PORT: expected 0 to 65535, got "http"/],
    [[APP], {}, /WEBHOOK_SECRET: expected the secret .*got nothing.*openssl.*FUNCTIONS_UNSIGNED=loopback/],
    [[APP], { WEBHOOK_SECRET: '%%%' }, /WEBHOOK_SECRET: expected whsec_ and 24 to 64 octets .* got something else/],
    [
      [APP],
      { WEBHOOK_SECRET: 'whsec_c2VjcmV0' },
      /WEBHOOK_SECRET: expected whsec_ and 24 to 64 .*; make one with: echo/,
    ],
    [[APP], { ...UNSIGNED, HOST: '0.0.0.0' }, /FUNCTIONS_UNSIGNED: .*HOST is 0\.0\.0\.0; set WEBHOOK_SECRET instead/],
  ]
  const runs = cases.map(([args, env]) => start(args, env))
  for (const [index, { exited, errors }] of runs.entries()) {
    assert.deepEqual(await exited, [1, null])
    assert.match(errors(), cases[index]![2])
    assert.equal(errors().trim().split('\n').length, 1)
  }
})

test('webhooks in need no WEBHOOK_SECRET, and say in a sentence each which settings are wrong', async () => {
  const ingress = fileURLToPath(new URL('../../../functions/entry/ingress.ts', import.meta.url))
  const store = { UPSTASH_REDIS_REST_URL: 'http://127.0.0.1:9', UPSTASH_REDIS_REST_TOKEN: 't', WEBHOOK_SECRET: '' }
  const wrong = start([ingress], { ...store, EVENTS_LIMIT: 'x', EVENTS_BODY_LIMIT: '1' })
  assert.deepEqual(await wrong.exited, [1, null])
  assert.match(wrong.errors(), /^rouse: EVENTS_BODY_LIMIT: expected .*\nEVENTS_LIMIT: expected .*\n$/)
  const open = start([ingress], store)
  assert.deepEqual(await open.exited, [1, null])
  assert.match(open.errors(), /^rouse: EVENTS_SECRET: expected a secret, since anybody can reach this function/)
  const { child, listening, exited } = start([ingress], { ...store, EVENTS_TOKEN: 'a-token' })
  const response = await fetch(`${await listening}/events`, { method: 'POST', body: '{}' })
  assert.equal(response.status, 401)
  child.kill('SIGTERM')
  assert.deepEqual(await exited, [0, null])
})
