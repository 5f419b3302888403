import assert from 'node:assert/strict'
import { test } from 'node:test'
import { snsSink, type TopicClient } from '../../../gateway/outbox/sns-sink.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const ARN = 'arn:aws:sns:eu-west-1:123456789012:calls'
const BODY = JSON.stringify({ id: 'e', partitionkey: 'a b@c' })

function scene(publish: TopicClient['publish'] = async () => ({})) {
  const published: unknown[] = []
  const regions: string[] = []
  const clock = new FakeClock()
  const sink = snsSink({
    clock,
    client: async (region) => {
      regions.push(region)
      return {
        publish: (input, options) => {
          published.push(input)
          return publish(input, options)
        },
      }
    },
  })
  const deliver = (topicArn: string) =>
    sink.deliver({ id: 'message-1', type: 'call.ended', target: { sns: { topicArn } }, body: BODY, secret: '' })
  return { deliver, published, regions, clock }
}

test('a topic gets the CloudEvent, its type as an attribute, by one client for each region', async () => {
  const { deliver, published, regions } = scene()
  assert.deepEqual(await deliver(ARN), { outcome: 'delivered' })
  await deliver(ARN)
  assert.deepEqual(regions, ['eu-west-1'])
  const type = { DataType: 'String', StringValue: 'call.ended' }
  assert.deepEqual(published[0], { TopicArn: ARN, Message: BODY, MessageAttributes: { type } })
})

test('a topic in order gets the key as its group, and the id by which it knows a repetition', async () => {
  const { deliver, published } = scene()
  await deliver(`${ARN}.fifo`)
  const { MessageGroupId, MessageDeduplicationId } = published[0] as Record<string, string>
  assert.deepEqual([MessageGroupId, MessageDeduplicationId], ['a_b@c', 'message-1'])
})

test('what SNS refuses, or does not answer in ten seconds, is tried again', async () => {
  const refusing = scene(async () => {
    throw Object.assign(new Error('not authorized'), { name: 'AuthorizationErrorException' })
  })
  const error = 'AuthorizationErrorException: not authorized'
  assert.deepEqual(await refusing.deliver(ARN), { outcome: 'failed', error })
  const silent = scene(
    (_, { abortSignal }) =>
      new Promise((_resolve, reject) => abortSignal.addEventListener('abort', () => reject(new Error('late')))),
  )
  const outcome = silent.deliver(ARN)
  await silent.clock.advance(10_000)
  assert.equal((await outcome).outcome, 'failed')
})
