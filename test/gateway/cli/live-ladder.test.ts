import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LiveLadder } from '../../../gateway/cli/dev/live-ladder.ts'
import { invocation } from '../../functions/invocations.ts'
import { FakeClock } from '../../support/fake-clock.ts'

/** What is printed, without the time of day. */
function drawn() {
  const lines: string[] = []
  const ladder = new LiveLadder(new FakeClock(), (line) => lines.push(line.replace(/^\d\d:\d\d:\d\d\.\d{3} /, '')))
  return { ladder, lines }
}

test('what a function is asked, and what it wants', () => {
  const { ladder, lines } = drawn()
  const asked = { ...invocation(), subject: 'call-1' }
  ladder.asked('/invite/example.com/bob', asked)
  const actions = [{ action: 'push' }, { action: 'wait', any: [{ event: 'contact.registered' }] }]
  ladder.replied(asked, { kind: 'answer', answer: { actions } })
  assert.deepEqual(lines, [
    '',
    '#1   gateway  -> function /invite/example.com/bob',
    '#1   function -> gateway  push, wait contact.registered',
  ])
})

test('a function that would do something else than before: what differs, a step a line, and no token', () => {
  const { ladder, lines } = drawn()
  const detail = 'INVITE /:domain/:user: step 2 was push and is now halt'
  const diff = [
    '  1 wait {"any":[]}',
    '- 2 push',
    '+ 2 halt',
    '+ 3 fork {"targets":["sip:bob@192.0.2.7;pn-prid=secret"]}',
  ]
  ladder.replied(
    { ...invocation(), subject: 'call-1' },
    { kind: 'problem', retry: false, problem: { code: 'replay.diverged', detail, diff } },
  )
  assert.deepEqual(
    lines.slice(2).map((line) => line.trimStart()),
    ['1 wait {"any":[]}', '- 2 push', '+ 2 halt', '+ 3 fork {"targets":["sip:bob@192.0.2.7;pn-prid=[redacted]"]}'],
  )
  assert.match(lines[1]!, /^#1 {3}function -> gateway {2}replay\.diverged: INVITE .* is now halt$/)
})
