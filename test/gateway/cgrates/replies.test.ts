import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  authorizationOf,
  isKnownAlready,
  isTrouble,
  maxUsageMs,
  originIdOf,
  reasonOf,
  refusalOf,
} from '../../../gateway/cgrates/replies.ts'
import { readMessage } from '../../../gateway/cgrates/rpc.ts'

describe('MaxUsage', () => {
  const usages: [unknown, number | undefined][] = [
    [30_000_000_000, 30_000],
    [10_800_000_000_000, 10_800_000],
    [0, 0],
    [-1, Number.POSITIVE_INFINITY],
    ['-1', Number.POSITIVE_INFINITY],
    [-5, undefined],
    ['30000000000', 30_000],
    ['0', 0],
    ['10s', 10_000],
    ['0s', 0],
    ['1m30s', 90_000],
    ['2h0m0.5s', 7_200_500],
    ['250ms', 250],
    ['1500µs', 1],
    ['10', 0],
    ['ten', undefined],
    ['10s!', undefined],
    ['9'.repeat(65), undefined],
    [null, undefined],
    [{}, undefined],
  ]
  for (const [usage, ms] of usages)
    test(`${JSON.stringify(usage)} is ${ms} ms`, () => assert.equal(maxUsageMs({ MaxUsage: usage }), ms))

  test('of a result that has none, or is none, is nothing', () => {
    for (const result of [undefined, null, {}, 'OK', 30, []]) assert.equal(maxUsageMs(result), undefined)
  })
})

test('a refusal says what to answer with: 402 for the lack of credit, 403 for the rest, 503 when nobody can say', () => {
  const codes = [
    ...['INSUFFICIENT_CREDIT', 'RALS_ERROR:INSUFFICIENT_CREDIT', 'RALS_ERROR:MAX_USAGE_EXCEEDED'],
    ...['RALS_ERROR:ACCOUNT_NOT_FOUND', 'RALS_ERROR:ACCOUNT_DISABLED', 'RALS_ERROR:UNAUTHORIZED_DESTINATION'],
    ...['RESOURCES_ERROR:RESOURCE_UNAVAILABLE', 'ATTRIBUTES_ERROR:NOT_FOUND', '', 'constructor', '__proto__'],
    ...['SERVER_ERROR: connection refused', 'RALS_ERROR:NOT_CONNECTED: RALs', 'RALS_ERROR:DISCONNECTED'],
  ].map((error) => refusalOf(error).code)
  assert.deepEqual(codes, [402, 402, 402, 403, 403, 403, 403, 403, 403, 403, 403, 503, 503, 503])
})

test('a handler hears how long it may talk; of accounts that pay later, no end', () => {
  const thirty = { MaxUsage: 30_500_000_000 }
  assert.deepEqual(authorizationOf(thirty, { requestType: 'prepaid' }), { authorized: true, maxDuration: 30.5 })
  assert.deepEqual(authorizationOf({ MaxUsage: -1 }, { requestType: 'prepaid' }), { authorized: true })
  assert.deepEqual(authorizationOf(thirty, { requestType: 'postpaid' }), { authorized: true })
  assert.equal(authorizationOf({ MaxUsage: 0 }, { requestType: 'prepaid' }).code, 402)
  assert.equal(authorizationOf({}, { requestType: 'pseudoprepaid' }).code, 403)
})

test('a record that is there already was told before', () => {
  assert.ok(isKnownAlready('EXISTS') && isKnownAlready('CDRS_ERROR:EXISTS') && isKnownAlready('SERVER_ERROR: EXISTS'))
  assert.ok(!isKnownAlready('NOT_EXISTS') && !isKnownAlready(''))
  assert.ok(isTrouble('SERVER_ERROR: x') && !isTrouble('RALS_ERROR:NOT_FOUND'))
})

test('what it asks for is read whatever its version writes, and nothing of it breaks a line', () => {
  assert.equal(originIdOf({ EventStart: { OriginID: 'a' }, Reason: 'x' }), 'a')
  assert.equal(originIdOf({ Tenant: 't', Event: { OriginID: 'b' } }), 'b')
  for (const param of [undefined, null, 'x', [], {}, { EventStart: null }, { EventStart: { OriginID: 7 } }])
    assert.equal(originIdOf(param), undefined)
  assert.equal(reasonOf({ Reason: 'no\r\nmore\0' }), 'no  more ')
  assert.equal(reasonOf({ Event: { DisconnectCause: 'FORCED' } }), 'FORCED')
  assert.equal(reasonOf({ Reason: 'x'.repeat(500) }).length, 64)
  assert.equal(reasonOf({ Reason: 7 }), '')
})

test('a message is a request or a reply; an error may be a text or an object', () => {
  assert.deepEqual(readMessage({ id: 1, result: { a: 1 }, error: null }), {
    kind: 'reply',
    id: 1,
    reply: { kind: 'result', result: { a: 1 } },
  })
  const failed = (error: unknown) => readMessage({ id: 1, result: null, error })
  assert.deepEqual(failed('RALS_ERROR:X'), { kind: 'reply', id: 1, reply: { kind: 'error', error: 'RALS_ERROR:X' } })
  assert.deepEqual(failed({ code: -1, message: 'a\nb' }), {
    kind: 'reply',
    id: 1,
    reply: { kind: 'error', error: 'a b' },
  })
  const request = readMessage({ method: 'SessionSv1.GetActiveSessionIDs', params: [''], id: 7 })
  assert.deepEqual(request, { kind: 'request', id: 7, method: 'SessionSv1.GetActiveSessionIDs', param: '' })
  for (const json of [null, 1, 'x', [], {}, { id: '1', result: 1 }, { id: 1 }])
    assert.equal(readMessage(json), undefined)
})
