import assert from 'node:assert/strict'
import { test } from 'node:test'
import { itemOf, transactionOf } from '../../../infra/upstash-local/answer.ts'
import { commandOf, commandOfPath, commandsOf } from '../../../infra/upstash-local/command.ts'

const NOTHING = Buffer.alloc(0)

test('words that are no strings become strings as they are written in JSON', () => {
  const read = commandOf(['SET', 'k', 100, 1.5, true, null, { a: [1] }, ['b'], '007'])
  assert.deepEqual(read, { ok: true, value: ['SET', 'k', '100', '1.5', 'true', 'null', '{"a":[1]}', '["b"]', '007'] })
})

test('what is no command is refused with what was expected', () => {
  assert.match(problem(commandOf({ a: 1 })), /^ERR failed to parse command: expected a JSON array/)
  assert.equal(problem(commandOf([])), 'ERR empty command')
  assert.match(problem(commandsOf(['GET', 'k'])), /^ERR failed to parse pipeline request: .* array of arrays/)
  assert.equal(problem(commandsOf([])), 'ERR empty pipeline request')
})

test('a pipeline keeps the place of a command that cannot be sent', () => {
  const read = commandsOf([['GET', 'a'], [], ['BLPOP', 'q', 0]])
  assert.ok(read.ok)
  assert.deepEqual(
    read.value.map(({ ok }) => ok),
    [true, false, false],
  )
})

const PATHS: [path: string, body: string, query: string, words: string[]][] = [
  ['/get/key', '', '', ['get', 'key']],
  ['/set/key/value/', '', '', ['set', 'key', 'value']],
  ['/set/a%2Fb/c%20d', '', '', ['set', 'a/b', 'c d']],
  ['/set/key', 'body', 'EX=100', ['set', 'key', 'body', 'EX', '100']],
  ['/set/key', 'body', 'NX&EX=100&_token=secret', ['set', 'key', 'body', 'NX', 'EX', '100']],
  ['/set/key', 'body', 'a+b=c%3Dd=e', ['set', 'key', 'body', 'a b', 'c=d=e']],
  ['/info', '', '_token=secret', ['info']],
]
for (const [path, body, query, words] of PATHS) {
  test(`${path}${query && '?'}${query} with the body "${body}" is ${words.join(' ')}`, () => {
    const read = commandOfPath(path, Buffer.from(body), query)
    assert.ok(read.ok)
    assert.deepEqual(
      read.value.map((word) => Buffer.from(word as Uint8Array).toString()),
      words,
    )
  })
}

test('a path keeps the octets of its body, and its escapes have to be right', () => {
  const octets = Buffer.from([0, 255])
  assert.deepEqual(commandOfPath('/set/k', octets, ''), { ok: true, value: ['set', 'k', octets] })
  assert.match(problem(commandOfPath('/get/%zz', NOTHING, '')), /% that is no escape/)
})

const REFUSED: [command: unknown[], reason: RegExp][] = [
  [['blpop', 'q', 0], /'BLPOP'.*hold up every request/],
  [['XREAD', 'COUNT', 1, 'block', 5000, 'STREAMS', 's', '$'], /'XREAD'.*hold up/],
  [['XREADGROUP', 'GROUP', 'g', 'c', 'BLOCK', 0, 'STREAMS', 's', '>'], /'XREADGROUP'.*hold up/],
  [['WAIT', 1, 0], /hold up/],
  [['MULTI'], /'MULTI'.*\/multi-exec/],
  [['WATCH', 'k'], /\/multi-exec/],
  [['SELECT', 1], /connection of its own/],
  [['CLIENT', 'REPLY', 'OFF'], /connection of its own/],
  [['SUBSCRIBE', 'ch'], /\/subscribe\/<channel>/],
  [['MONITOR'], /no command for an application/],
  [['SHUTDOWN'], /no command for an application/],
]
for (const [command, reason] of REFUSED) {
  test(`refused over REST: ${command.join(' ')}`, () => {
    assert.match(problem(commandOf(command)), /^ERR Command is not available: /)
    assert.match(problem(commandOf(command)), reason)
  })
}

test('names that look like options are names', () => {
  assert.ok(commandOf(['XREAD', 'STREAMS', 'BLOCK', '0']).ok)
  assert.ok(commandOf(['XREADGROUP', 'GROUP', 'BLOCK', 'BLOCK', 'STREAMS', 's', '>']).ok)
  assert.ok(commandOf(['GET', 'MULTI']).ok)
  assert.ok(commandOf(['constructor']).ok)
})

test('base64 takes every string at every depth but a status OK', () => {
  const b64 = (text: string) => Buffer.from(text).toString('base64')
  const reply = [
    Buffer.from('é'),
    [{ status: 'OK' }, [null, 3, Buffer.from('OK')]],
    { status: 'PONG' },
    { error: 'ERR x' },
  ]
  assert.deepEqual(itemOf(reply, true), {
    result: [b64('é'), ['OK', [null, 3, b64('OK')]], b64('PONG'), b64('ERR x')],
  })
  assert.deepEqual(itemOf(reply, false), { result: ['é', ['OK', [null, 3, 'OK']], 'PONG', 'ERR x'] })
  assert.deepEqual(itemOf(Buffer.from([255]), false), { result: '\ufffd' })
})

test('a transaction is an item per command, or the error that had it discarded', () => {
  const queued = { status: 'QUEUED' }
  assert.deepEqual(transactionOf([{ status: 'OK' }, queued, queued, [1, { error: 'WRONGTYPE x' }]], true), [
    { result: 1 },
    { error: 'WRONGTYPE x' },
  ])
  const discarded = { error: 'EXECABORT Transaction discarded because of previous errors.' }
  assert.deepEqual(transactionOf([{ status: 'OK' }, { error: 'ERR unknown command' }, discarded], true), {
    error: 'EXECABORT Transaction discarded because of: ERR unknown command',
  })
})

function problem(read: { ok: boolean; problem?: string }): string {
  assert.equal(read.ok, false)
  return read.problem!
}
