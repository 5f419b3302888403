import assert from 'node:assert/strict'
import { test } from 'node:test'
import { budgetFor, budgetsOf, DEFAULT_BUDGETS } from '../../../gateway/invocation/budget.ts'
import { retryAfterMs, retryPauseMs } from '../../../gateway/invocation/retry.ts'

test('a retry is spread over 200 ms, and over a quarter of what is left at most', () => {
  assert.equal(retryPauseMs(2500, 0, 0), 0)
  assert.equal(retryPauseMs(2500, 0, 0.5), 100)
  assert.equal(retryPauseMs(2500, 0, 0.999), 199)
  assert.equal(retryPauseMs(400, 0, 0.5), 50)
})

test('a retry waits for Retry-After, and is left out when that leaves no time for an answer', () => {
  assert.equal(retryPauseMs(2500, 1000, 0.5), 1100)
  assert.equal(retryPauseMs(2500, 2449, 0), 2449)
  assert.equal(retryPauseMs(2500, 2451, 0), undefined)
  assert.equal(retryPauseMs(0, 0, 0), undefined)
})

test('Retry-After is seconds or a date (RFC 9110 10.2.3); what cannot be read is none', () => {
  const now = Date.UTC(2024, 0, 1)
  assert.equal(retryAfterMs(undefined, now), 0)
  assert.equal(retryAfterMs('120', now), 120_000)
  assert.equal(retryAfterMs('Mon, 01 Jan 2024 00:00:07 GMT', now), 7000)
  assert.equal(retryAfterMs('Sun, 31 Dec 2023 00:00:00 GMT', now), 0)
  for (const wrong of ['soon', '-5', '1.5s', '']) assert.equal(retryAfterMs(wrong, now), 0, wrong)
})

test('a budget that a route declares is divided like that of its method', () => {
  assert.equal(budgetFor(DEFAULT_BUDGETS, 'INVITE', undefined), DEFAULT_BUDGETS.invite)
  assert.equal(budgetFor(DEFAULT_BUDGETS, 'MESSAGE', undefined), DEFAULT_BUDGETS.other)
  assert.deepEqual(budgetFor(DEFAULT_BUDGETS, 'INVITE', 5000), { totalMs: 5000, firstTryMs: 2400 })
  assert.deepEqual(budgetFor(DEFAULT_BUDGETS, 'MESSAGE', 3000), { totalMs: 3000, firstTryMs: 1400 })
  assert.deepEqual(budgetsOf(2500, 1500), DEFAULT_BUDGETS)
  assert.deepEqual(budgetsOf(5000, 750).other, { totalMs: 750, firstTryMs: 350 })
})
