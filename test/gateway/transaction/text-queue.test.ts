import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TextQueue } from '../../../gateway/transaction/text-queue.ts'

test('texts come back octet for octet, however many chunks they fill', () => {
  const queue = new TextQueue()
  const texts = Array.from({ length: 300 }, (_, index) => String.fromCharCode(index % 256).repeat(index * 40))
  const places = texts.map((text) => queue.push(text, 10))
  assert.deepEqual(
    places.map((at) => queue.read(at!)),
    texts,
  )
})

test('what has ended is given back, what has not stays where it was', () => {
  const queue = new TextQueue()
  const long = 'x'.repeat(60_000)
  for (let index = 0; index < 20; index++) queue.push(long, 10)
  const at = queue.push('later', 20)!
  queue.expire(10)
  assert.equal(queue.read(at), 'later')
  queue.expire(20)
  assert.equal(queue.read(queue.push('again', 30)!), 'again')
})

test('a text longer than any datagram is not kept', () => {
  assert.equal(new TextQueue().push('x'.repeat(300_000), 10), undefined)
})
