import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SteadyMap } from '../../../gateway/transaction/steady-map.ts'

test('it is empty at first, and shows what was added, in order, and nothing else', () => {
  const map = new SteadyMap<string>()
  assert.equal(map.size, 0)
  assert.deepEqual([...map.values()], [])
  map.set('b', 'first')
  map.set('a', 'second')
  map.set('0', 'third')
  assert.equal(map.size, 3)
  assert.deepEqual([...map.values()], ['first', 'second', 'third'])
  assert.equal(map.get('0'), 'third')
  assert.equal(map.has('1'), false)
  assert.equal(map.get('1'), undefined)
})

test('what was deleted is gone, also after thousands have come and gone', () => {
  const map = new SteadyMap<number>()
  for (let index = 0; index < 20_000; index++) {
    map.set(`key ${index}`, index)
    if (index >= 10) assert.equal(map.delete(`key ${index - 10}`), true)
  }
  assert.equal(map.delete('key 1'), false)
  assert.equal(map.size, 10)
  assert.deepEqual([...map.values()], [19_990, 19_991, 19_992, 19_993, 19_994, 19_995, 19_996, 19_997, 19_998, 19_999])
})
