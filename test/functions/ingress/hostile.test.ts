import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventId, EventType } from '../../../functions/contract/events.ts'
import { seeded } from '../../support/random.ts'
import { ingress } from './harness.ts'

/** Whatever comes, it is answered, and what is raised of it is an event. */

const ROUNDS = 3000
const SEED = 20_241

const BODIES = [
  '{"type":"pickup","attributes":{"user":"bob"}}',
  '{"specversion":"1.0","id":"7","source":"/crm","type":"pickup","data":{"user":"bob"}}',
  '[{"specversion":"1.0","id":"7","source":"/crm","type":"pickup","data":{"user":"bob"}}]',
  '{"event":"paid","list":[{"id":1},{"id":2}],"order":{"id":17}}',
  'event=paid&order=17',
  '{"Type":"Notification","TopicArn":"arn:aws:sns:eu-west-1:123456789012:a","Message":"{}","Timestamp":"2024-06-01T12:00:00Z"}',
]
const TYPES = [
  'application/json',
  'application/cloudevents+json',
  'application/cloudevents-batch+json',
  'application/x-www-form-urlencoded',
  'text/plain',
  '',
  'a/b; c="',
]
const PATHS = [
  '/events',
  '/events/shop',
  '/events/list?token=a-long-secret&x=%ff%',
  '/events/%2e%2e',
  '/events?__proto__=1',
]
const PIECES = [
  '"',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  'null',
  '1e999',
  '-0',
  '\\u0000',
  '\\ud800',
  '%',
  '%ff',
  '__proto__',
  '\r\n',
  'ü',
  ' ',
]
const HEADERS = [
  'ce-specversion',
  'ce-id',
  'ce-source',
  'ce-type',
  'ce-time',
  'idempotency-key',
  'x-amz-sns-message-type',
]
const VALUES = ['1.0', '7', '/crm', 'pickup', '', '"', '"\\', '%', '%00', '%E2%82%AC', 'a,b', '2024-06-01T12:00:00Z']

const auth = { scheme: 'query', name: 'token', secret: 'a-long-secret' }
const RULES = {
  shop: { type: '/event', id: '/order/id', attributes: { order: { pointer: '/order/id', optional: true } } },
  list: { auth, type: 'a', each: '/list', attributes: { id: '/id', x: { query: 'x', optional: true } } },
}

test('broken, strange and mixed-up requests are answered, and raise nothing that is no event', async () => {
  const random = seeded(SEED)
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!
  const { post, published } = ingress({ rules: RULES, topics: ['arn:aws:sns:eu-west-1:123456789012:a'] })
  const statuses = new Map<number, number>()
  for (let round = 0; round < ROUNDS; round++) {
    let body = pick(BODIES)
    for (let edits = Math.floor(random() * 3); edits > 0; edits--) {
      const at = Math.floor(random() * body.length)
      body = body.slice(0, at) + pick(PIECES) + body.slice(at + Math.floor(random() * 3))
    }
    const headers: Record<string, string> = { 'content-type': pick(TYPES) }
    for (let more = Math.floor(random() * 6); more > 2; more--) headers[pick(HEADERS)] = pick(VALUES)
    const { status } = await post(body, headers, pick(PATHS))
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
  }
  assert.deepEqual(
    [...statuses.keys()].sort(),
    [202, 204, 400, 401, 404].filter((status) => statuses.has(status)),
  )
  assert.ok(published.length > 20, `${published.length} were raised`)
  for (const { id, type, attributes } of published) {
    for (const part of id.split('#')) assert.ok(EventId.safeParse(part || '-').success, id)
    assert.ok(EventType.safeParse(type).success, type)
    for (const value of Object.values(attributes)) assert.ok(value !== null && typeof value !== 'object')
    assert.equal(Object.getPrototypeOf(attributes), Object.prototype)
  }
})
