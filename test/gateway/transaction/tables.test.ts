import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inviteClient, nonInviteClient } from '../../../gateway/transaction/client-tables.ts'
import { type Machine, type Row, step } from '../../../gateway/transaction/machine.ts'
import { inviteServer, nonInviteServer } from '../../../gateway/transaction/server-tables.ts'

type AnyMachine = Machine<string, string, string>

/** Why an input has no row in a state: it is a surprise there, and counted. */
interface Surprise {
  states: readonly string[]
  inputs: readonly string[]
  why: string
}

const serverStates = ['initial', 'trying', 'proceeding', 'accepted', 'completed', 'confirmed', 'terminated']
const serverTimers = ['timer G', 'timer H', 'timer I', 'timer J', 'timer L', 'timer limit']
const serverInputs = ['request', 'taken up', 'ack', 'tu 1xx', 'tu 2xx', 'tu 3xx-6xx', ...serverTimers, 'failed']
const clientStates = [
  'initial',
  'calling',
  'holding cancel',
  'trying',
  'proceeding',
  'cancelling',
  'accepted',
  'completed',
  'terminated',
]
const clientTimers = ['A', 'B', 'D', 'E', 'F', 'K', 'M', 'limit'].map((name) => `timer ${name}`)
const clientInputs = ['request', 'taken up', '1xx', '2xx', '3xx-6xx', 'cancel', ...clientTimers, 'failed']

const surprises: Record<string, { machine: AnyMachine; states: string[]; inputs: string[]; without: Surprise[] }> = {
  inviteServer: {
    machine: inviteServer,
    states: serverStates,
    inputs: serverInputs,
    without: [
      {
        states: ['initial'],
        inputs: without(serverInputs, 'request', 'taken up'),
        why: 'the request comes first, in the same turn',
      },
      { states: ['trying'], inputs: serverInputs, why: 'an INVITE begins in proceeding (17.2.1)' },
      {
        states: without(serverStates, 'initial', 'trying'),
        inputs: ['taken up'],
        why: 'it is how a transaction begins',
      },
      { states: ['proceeding'], inputs: ['ack'], why: 'there is no final response to acknowledge' },
      { states: ['proceeding'], inputs: serverTimers, why: 'no timer runs' },
      { states: ['accepted'], inputs: without(serverTimers, 'timer L'), why: 'only L runs (RFC 6026 7.1)' },
      {
        states: ['completed'],
        inputs: without(serverTimers, 'timer G', 'timer H'),
        why: 'only G and H run (17.2.1)',
      },
      { states: ['confirmed'], inputs: without(serverTimers, 'timer I'), why: 'only I runs (17.2.1)' },
      { states: ['terminated'], inputs: ['request', 'ack'], why: 'nothing is matched to it any more' },
      { states: ['terminated'], inputs: serverTimers, why: 'the end stops every timer' },
    ],
  },
  nonInviteServer: {
    machine: nonInviteServer,
    states: serverStates,
    inputs: serverInputs,
    without: [
      {
        states: ['initial'],
        inputs: without(serverInputs, 'request', 'taken up'),
        why: 'the request comes first, in the same turn',
      },
      { states: ['accepted', 'confirmed'], inputs: serverInputs, why: 'these states belong to INVITE' },
      {
        states: ['trying', 'proceeding', 'completed', 'terminated'],
        inputs: ['taken up'],
        why: 'it is how a transaction begins',
      },
      { states: ['trying', 'proceeding', 'completed'], inputs: ['ack'], why: 'an ACK is matched to an INVITE only' },
      { states: ['trying'], inputs: ['failed'], why: 'nothing has been sent' },
      {
        states: ['trying', 'proceeding'],
        inputs: without(serverTimers, 'timer limit'),
        why: 'only the limit of an unanswered request runs (RFC 4320)',
      },
      { states: ['completed'], inputs: without(serverTimers, 'timer J'), why: 'only J runs (17.2.2)' },
      { states: ['terminated'], inputs: ['request', 'ack'], why: 'nothing is matched to it any more' },
      { states: ['terminated'], inputs: serverTimers, why: 'the end stops every timer' },
    ],
  },
  inviteClient: {
    machine: inviteClient,
    states: clientStates,
    inputs: clientInputs,
    without: [
      {
        states: ['initial'],
        inputs: without(clientInputs, 'request', 'taken up'),
        why: 'the request comes first, in the same turn',
      },
      { states: without(clientStates, 'initial'), inputs: ['request', 'taken up'], why: 'a branch is used once' },
      {
        states: ['trying'],
        inputs: without(clientInputs, 'request', 'taken up'),
        why: 'an INVITE begins in calling (17.1.1)',
      },
      {
        states: ['calling', 'holding cancel'],
        inputs: without(clientTimers, 'timer A', 'timer B'),
        why: 'only A and B run (17.1.1.2)',
      },
      { states: ['proceeding'], inputs: clientTimers, why: 'no timer runs: Timer C is the proxy’s (16.8)' },
      { states: ['cancelling'], inputs: without(clientTimers, 'timer limit'), why: 'only the limit of 9.1 runs' },
      { states: ['accepted'], inputs: without(clientTimers, 'timer M'), why: 'only M runs (RFC 6026 7.2)' },
      { states: ['completed'], inputs: without(clientTimers, 'timer D'), why: 'only D runs (17.1.1.2)' },
      { states: ['terminated'], inputs: ['1xx', '2xx', '3xx-6xx'], why: 'nothing is matched to it any more' },
      { states: ['terminated'], inputs: clientTimers, why: 'the end stops every timer' },
    ],
  },
  nonInviteClient: {
    machine: nonInviteClient,
    states: clientStates,
    inputs: clientInputs,
    without: [
      {
        states: ['initial'],
        inputs: without(clientInputs, 'request', 'taken up'),
        why: 'the request comes first, in the same turn',
      },
      { states: without(clientStates, 'initial'), inputs: ['request', 'taken up'], why: 'a branch is used once' },
      {
        states: ['calling', 'holding cancel', 'cancelling', 'accepted'],
        inputs: without(clientInputs, 'request', 'taken up'),
        why: 'these states belong to INVITE',
      },
      {
        states: ['trying', 'proceeding'],
        inputs: without(clientTimers, 'timer E', 'timer F'),
        why: 'only E and F run (17.1.2.2)',
      },
      { states: ['completed'], inputs: without(clientTimers, 'timer K'), why: 'only K runs (17.1.2.2)' },
      { states: ['terminated'], inputs: ['1xx', '2xx', '3xx-6xx'], why: 'nothing is matched to it any more' },
      { states: ['terminated'], inputs: clientTimers, why: 'the end stops every timer' },
    ],
  },
}

for (const [name, { machine, states, inputs, without: listed }] of Object.entries(surprises)) {
  test(`${name}: every state and input has a row, or a reason why it has none`, () => {
    assert.deepEqual(Object.keys(machine), states)
    for (const state of states) {
      for (const input of inputs) {
        const reasons = listed.filter((entry) => entry.states.includes(state) && entry.inputs.includes(input))
        const hasRow = step(machine, state, input) !== undefined
        assert.equal(
          reasons.length,
          hasRow ? 0 : 1,
          `${input} in ${state}: ${hasRow ? 'a row' : 'no row'}, ${reasons.length} reasons`,
        )
      }
      for (const input of Object.keys(machine[state]!)) assert.ok(inputs.includes(input), `${input} is no known input`)
    }
  })

  test(`${name}: every row leads to a known state, and all timers that a state leaves running have their row there`, () => {
    for (const [state, running] of runningTimers(machine)) {
      for (const timer of running) {
        assert.ok(step(machine, state, `timer ${timer}`), `timer ${timer} can fire in ${state}`)
      }
    }
  })

  test(`${name}: the end is the only way to terminated, and nothing leads out of it`, () => {
    for (const [state, row] of rows(machine)) {
      assert.equal(row.to === 'terminated', row.do?.includes('end') ?? false, `${state}: ${JSON.stringify(row)}`)
      if (state === 'terminated') assert.deepEqual(row, {})
    }
  })
}

/** Every state that can be reached, with the timers that may run in it: found by walking the table. */
function runningTimers(machine: AnyMachine): Map<string, Set<string>> {
  const reached = new Map<string, Set<string>>()
  const seen = new Set<string>()
  const queue: { state: string; running: string[] }[] = [{ state: 'initial', running: [] }]
  for (let next = queue.pop(); next; next = queue.pop()) {
    const key = `${next.state} ${next.running.sort()}`
    if (seen.has(key)) continue
    seen.add(key)
    const running = reached.get(next.state) ?? new Set()
    for (const timer of next.running) running.add(timer)
    reached.set(next.state, running)
    for (const [input, row] of Object.entries(machine[next.state] ?? assert.fail(`no state ${next.state}`))) {
      if (input.startsWith('timer ') && !next.running.includes(input.slice(6))) continue
      queue.push({ state: row!.to ?? next.state, running: after(next.running, input, row!) })
    }
  }
  return reached
}

function after(running: string[], input: string, row: Row<string, string>): string[] {
  const left = new Set(running)
  left.delete(input.slice(6))
  for (const effect of row.do ?? []) {
    if (effect === 'end') left.clear()
    else if (effect.startsWith('start ')) left.add(effect.slice(6).split(' ')[0]!)
    else if (effect.startsWith('stop ')) assert.ok(left.delete(effect.slice(5)), `${effect}: it does not run`)
  }
  return [...left]
}

function rows(machine: AnyMachine): [string, Row<string, string>][] {
  return Object.entries(machine).flatMap(([state, inputs]) =>
    Object.values(inputs).map((row): [string, Row<string, string>] => [state, row!]),
  )
}

function without(all: readonly string[], ...some: string[]): string[] {
  return all.filter((one) => !some.includes(one))
}
