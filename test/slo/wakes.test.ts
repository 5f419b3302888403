import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runWakes } from './wakes.ts'

test('of three hundred calls to phones that sleep every one that can wake rings, once, and nobody else', async () => {
  const { wakes, counts, wakeable, woken, counted } = await runWakes(300)
  assert.equal(woken, wakeable)
  for (const [kind, { rang, twice, calls }] of Object.entries(counts)) {
    assert.ok(calls > 0, kind)
    assert.equal(twice, 0, kind)
    if (['stale token', 'too late', 'push lost', 'caller gone'].includes(kind)) assert.equal(rang, 0, kind)
  }
  for (const { kind, status, endedAt, calledAt } of wakes) {
    if (kind === 'stale token')
      assert.ok(status === 480 && endedAt - calledAt < 1000, 'a dead token ends the wait early')
    if (kind === 'push lost' || kind === 'too late') assert.ok(status === 480 && endedAt - calledAt >= 30_000, kind)
    if (kind === 'caller gone') assert.equal(status, 487)
  }
  const calls = (...kinds: (keyof typeof counts)[]) => kinds.reduce((sum, kind) => sum + counts[kind].calls, 0)
  assert.deepEqual(counted, {
    woken,
    token_invalid: calls('stale token'),
    not_woken: calls('push lost', 'too late'),
    call_over: calls('caller gone'),
  })
})
