import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryStore } from '../../../functions/store/memory.ts'
import { type Entry, Ledger } from '../../../gateway/cgrates/ledger.ts'
import { CountingIds, FakeClock } from '../../support/fake-clock.ts'

function scene() {
  const clock = new FakeClock(1_000_000)
  const memory = createMemoryStore({ clock, ids: new CountingIds() })
  const troubles: unknown[] = []
  let isAway = false
  const reach = <T>(work: () => Promise<T>) => (isAway ? Promise.reject(new Error('away')) : work())
  const store = {
    recall: (key: string) => reach(() => memory.recall(key)),
    remember: (key: string, value: string, ttlMs: number) => reach(() => memory.remember(key, value, ttlMs)),
  }
  /** As a process of its own has it. */
  const process = (gatewayId = 'gw') => {
    const loaded: Entry[][] = []
    const ledger = new Ledger({
      ...{ store, clock, gatewayId },
      onLoaded: (before) => void loaded.push([...before]),
      onTrouble: (error) => void troubles.push(error),
    })
    ledger.start()
    return { ledger, loaded }
  }
  const setAway = (away: boolean) => {
    isAway = away
  }
  return { clock, memory, troubles, process, setAway }
}

function entry(id: string, more: Partial<Entry> = {}): Entry {
  const call = { id, callId: 'c', account: '1', subject: '1', destination: '2', category: 'call', tenant: 't' }
  const facts = { requestType: 'prepaid' as const, setupAt: 1, answeredAt: 2, originHost: 'gw' }
  return { call: { ...call, ...facts }, endedAt: 3, session: 'open', ...more }
}

const ids = (entries: Entry[] | undefined) => entries?.map(({ call }) => call.id).sort()

test('what one process has written the next one finds, and what it has taken out is gone', async () => {
  const { clock, process } = scene()
  const first = process()
  await clock.advance(0)
  for (let n = 0; n < 2000; n++) first.ledger.put(entry(`call-${n}`))
  for (let n = 0; n < 1990; n++) first.ledger.delete(`call-${n}`)
  first.ledger.put(entry('call-1990', { endedAt: 9, session: 'unsure' }))
  await clock.advance(0)
  const second = process()
  await clock.advance(0)
  assert.deepEqual(
    ids(second.loaded[0]),
    Array.from({ length: 10 }, (_, n) => `call-${1990 + n}`),
  )
  const changed = second.loaded[0]!.find(({ call }) => call.id === 'call-1990')
  assert.deepEqual(changed, entry('call-1990', { endedAt: 9, session: 'unsure' }))
  const other = process('gw-2')
  await clock.advance(0)
  assert.deepEqual(other.loaded, [[]])
})

test('a store that is away is asked again: nothing is written over what is not read yet, and nothing is lost', async () => {
  const { clock, process, setAway, troubles } = scene()
  const first = process()
  await clock.advance(0)
  first.ledger.put(entry('kept'))
  await clock.advance(0)
  setAway(true)
  const second = process()
  second.ledger.put(entry('new'))
  await clock.advance(5000)
  assert.deepEqual(second.loaded, [])
  assert.equal(troubles.length, 1)
  setAway(false)
  await clock.advance(1000)
  assert.deepEqual(ids(second.loaded[0]), ['kept'])
  setAway(true)
  second.ledger.put(entry('while away'))
  await clock.advance(5000)
  setAway(false)
  await clock.advance(1000)
  const third = process()
  await clock.advance(0)
  assert.deepEqual(ids(third.loaded[0]), ['kept', 'new', 'while away'])
})

test('what is not written yet is, when it stops', async () => {
  const { clock, process } = scene()
  const first = process()
  await clock.advance(0)
  first.ledger.put(entry('last'))
  await first.ledger.stop()
  const second = process()
  await clock.advance(0)
  assert.deepEqual(ids(second.loaded[0]), ['last'])
})

test('what cannot be read holds up nothing', async () => {
  const { clock, memory, process } = scene()
  for (const [slot, text] of ['{', '[{"call":{}}]', 'null', JSON.stringify([entry('fine')])].entries())
    await memory.remember(`cgrates/gw/${slot}`, text, 60_000)
  const { loaded } = process()
  await clock.advance(0)
  assert.deepEqual(ids(loaded[0]), ['fine'])
})
