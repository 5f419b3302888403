import assert from 'node:assert/strict'
import { createSign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import type { IngressOptions } from '../../../functions/ingress/ingress.ts'
import { signedText } from '../../../functions/ingress/sns-message.ts'
import { accepted, ingress, NOW, problemOf, TOKEN } from './harness.ts'

const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:payments'
const CERTIFICATE_URL = 'https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem'
const SUBSCRIBE_URL = `https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=${TOPIC}&Token=abc`
const CERTIFICATE = readFileSync(new URL('sns-cert.pem', import.meta.url), 'utf8')
const KEY = readFileSync(new URL('sns-key.pem', import.meta.url), 'utf8')

type Fields = Record<string, unknown>

/** A message as SNS signs it; what is in `after` was changed on the way. */
function message(fields: Fields = {}, after: Fields = {}, hash = 'RSA-SHA256'): Fields {
  const sent: Fields = {
    Type: 'Notification',
    MessageId: '22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324',
    TopicArn: TOPIC,
    Subject: 'My First Message',
    Message: JSON.stringify({ type: 'payment.done', attributes: { order: '17' } }),
    Timestamp: new Date(NOW).toISOString(),
    SignatureVersion: '2',
    SigningCertURL: CERTIFICATE_URL,
    UnsubscribeURL: 'https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe',
    ...fields,
  }
  const Signature = createSign(hash)
    .update(signedText(sent as never))
    .sign(KEY, 'base64')
  return { ...sent, Signature, ...after }
}

const CONFIRMATION = {
  Type: 'SubscriptionConfirmation',
  Subject: undefined,
  Token: 'abc',
  SubscribeURL: SUBSCRIBE_URL,
  Message: `You have chosen to subscribe to the topic ${TOPIC}.`,
}

const isOfSns = (type: string) => ({ 'x-amz-sns-message-type': type, 'content-type': 'text/plain; charset=UTF-8' })

function listener(options: Partial<IngressOptions> & { rules?: unknown; answer?: () => Response } = {}) {
  const { answer = () => new Response(CERTIFICATE), ...others } = options
  const fetched: string[] = []
  const made = ingress({
    topics: [TOPIC],
    tokens: [{ setting: 'API_TOKEN', token: TOKEN }],
    fetch: (async (url: string, init: RequestInit) => {
      assert.equal(init.redirect, 'manual')
      fetched.push(url)
      return answer()
    }) as unknown as typeof fetch,
    ...others,
  })
  const notify = (fields?: Fields, after?: Fields, path?: string) => {
    const body = message(fields, after)
    return made.post(body, isOfSns(String(body.Type)), path)
  }
  return { ...made, fetched, notify }
}

test('what is signed are the fields that are there, in alphabetical order, a line each for name and value', () => {
  const notification = message({ Message: 'a\nb' })
  assert.equal(
    signedText(notification as never),
    `Message\na\nb\nMessageId\n22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324\nSubject\nMy First Message\nTimestamp\n2024-06-01T12:00:00.000Z\nTopicArn\n${TOPIC}\nType\nNotification\n`,
  )
  assert.doesNotMatch(signedText(message({ Subject: undefined }) as never), /Subject/)
  assert.match(
    signedText(message(CONFIRMATION) as never),
    /^Message\n.*\nMessageId\n.*\nSubscribeURL\n.*\nTimestamp\n.*\nToken\nabc\nTopicArn\n.*\nType\nSubscriptionConfirmation\n$/,
  )
})

describe('a notification of Amazon SNS', () => {
  test('raises the event in it, needs no token, and has its id', async () => {
    const { notify, published } = listener()
    const id = '22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324'
    assert.deepEqual(await accepted(await notify()), { id, matched: 2 })
    assert.deepEqual(published, [{ id, type: 'payment.done', time: NOW, attributes: { order: '17' } }])
  })

  test('sent again it raises nothing, and the certificate is not fetched again', async () => {
    const { notify, published, fetched } = listener()
    for (let time = 0; time < 3; time++) await accepted(await notify())
    assert.equal(published.length, 1)
    assert.deepEqual(fetched, [CERTIFICATE_URL])
  })

  test('may hold a CloudEvent', async () => {
    const { notify, published } = listener()
    const event = { specversion: '1.0', id: '7', source: '/crm', type: 'pickup', data: { user: 'bob' } }
    await accepted(await notify({ Message: JSON.stringify(event) }))
    assert.equal(published[0]!.id, '/crm#7')
  })

  test('may hold what a mapping understands, whatever auth that has for others', async () => {
    const auth = { scheme: 'header', name: 'x', secret: 'a-long-secret' }
    const rules = {
      alarm: { auth, type: 'alarm', when: [{ pointer: '/state', equals: 'ALARM' }], attributes: { name: '/name' } },
    }
    const { notify, published } = listener({ rules })
    const Message = JSON.stringify({ state: 'ALARM', name: 'too many calls' })
    await accepted(await notify({ Message }, {}, '/events/alarm'))
    assert.equal(published[0]!.id, 'alarm#22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324')
    assert.equal((await notify({ Message: '{"state":"OK"}' }, {}, '/events/alarm')).status, 204)
  })

  test('is known by its plain text too, where the header got lost', async () => {
    const { post, published } = listener()
    await accepted(await post(message(), { 'content-type': 'text/plain; charset=UTF-8' }))
    assert.equal(published.length, 1)
    assert.equal(
      (await post({ type: 'a' }, { 'content-type': 'text/plain', authorization: `Bearer ${TOKEN}` })).status,
      401,
    )
  })

  const wrong: [string, Fields, Fields, RegExp, number?][] = [
    ['another topic', { TopicArn: `${TOPIC}-2` }, {}, /SNS_TOPICS/, 0],
    ['a changed message', {}, { Message: '{"type":"b"}' }, /Signature/],
    ['a changed id', {}, { MessageId: 'x' }, /Signature/],
    ['a subject that was added', { Subject: undefined }, { Subject: 'x' }, /Signature/],
    ['a changed time', {}, { Timestamp: new Date(NOW - 1000).toISOString() }, /Signature/],
    ['a changed type', {}, { ...CONFIRMATION, Message: '{}' }, /Signature/],
    ['a signature that is none', {}, { Signature: '%%%' }, /Signature/],
    ['an empty signature', {}, { Signature: '' }, /Signature/],
    ['signature version 1', { SignatureVersion: '1' }, {}, /SignatureVersion/, 0],
    ['one that is too old', { Timestamp: new Date(NOW - 600_001).toISOString() }, {}, /Timestamp/, 0],
    ['one of the future', { Timestamp: new Date(NOW + 301_000).toISOString() }, {}, /Timestamp/, 0],
    ['no time', { Timestamp: 'now' }, {}, /raw message delivery/, 0],
    ['no message of SNS', {}, { TopicArn: undefined }, /raw message delivery/, 0],
  ]
  for (const [title, fields, after, detail, fetches] of wrong) {
    test(`is refused with ${title}`, async () => {
      const { notify, published, fetched } = listener()
      const response = await notify(fields, after)
      assert.equal(response.status, 401)
      assert.match(String((await problemOf(response)).detail), detail)
      assert.deepEqual(published, [])
      if (fetches !== undefined) assert.equal(fetched.length, fetches)
    })
  }

  const urls = [
    'http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem',
    'https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0.pem',
    'https://sns.eu-west-1.evil.com/SimpleNotificationService-0.pem',
    'https://evil.example/sns.eu-west-1.amazonaws.com/x.pem',
    'https://sns.eu-west-1.amazonaws.com@evil.example/x.pem',
    'https://user@sns.eu-west-1.amazonaws.com/x.pem',
    'https://sns.eu-west-1.amazonaws.com:8443/x.pem',
    'https://xsns.eu-west-1.amazonaws.com/x.pem',
    'https://sns.a.b.amazonaws.com/x.pem',
    'https://bucket.s3.amazonaws.com/x.pem',
    'https://sns.eu-west-1.amazonaws.com/x.txt',
    'https://sns.eu-west-1.amazonaws.com/x.pem?y',
    'https://sns.eu-west-1.amazonaws.com/?Action=GetTopic&x=.pem',
    'https://sns.eu-west-1.amazonaws.com/a/../../x/y.pem',
    'https://sns.eu-west-1.amazonaws.com/x.pem#y',
    'file:///etc/x.pem',
    'x.pem',
  ]
  for (const SigningCertURL of urls) {
    test(`no certificate is fetched from ${SigningCertURL}`, async () => {
      const { notify, fetched } = listener()
      const response = await notify({ SigningCertURL })
      assert.equal(response.status, 401)
      assert.match(String((await problemOf(response)).detail), /SigningCertURL/)
      assert.deepEqual(fetched, [])
    })
  }

  test('China has hosts of its own', async () => {
    const { notify, fetched } = listener()
    const SigningCertURL = 'https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0.pem'
    await accepted(await notify({ SigningCertURL }))
    assert.deepEqual(fetched, [SigningCertURL])
  })

  const certificates: [string, () => Response][] = [
    [
      'is away',
      () => {
        throw new Error('connect ECONNREFUSED')
      },
    ],
    ['answers something else', () => new Response('', { status: 404 })],
    ['leads elsewhere', () => new Response('', { status: 302, headers: { location: 'https://evil.example' } })],
    ['sends no certificate', () => new Response('<html/>')],
    ['sends without end', () => new Response(new ReadableStream({ pull: (s) => s.enqueue(new Uint8Array(4096)) }))],
  ]
  for (const [title, answer] of certificates) {
    test(`is to be sent again while the host of the certificate ${title}`, async () => {
      let isWrong = true
      const { notify, published } = listener({ answer: () => (isWrong ? answer() : new Response(CERTIFICATE)) })
      const response = await notify()
      assert.equal(response.status, 503)
      assert.deepEqual(published, [])
      isWrong = false
      await accepted(await notify())
    })
  }

  test('without SNS_TOPICS nobody’s is taken', async () => {
    const { notify } = listener({ topics: [] })
    const response = await notify()
    assert.equal(response.status, 401)
    assert.match(String((await problemOf(response)).detail), /SNS_TOPICS/)
  })

  test('a stranger who names one certificate after the other is stopped', async () => {
    const { notify, fetched } = listener({ answer: () => new Response('', { status: 404 }) })
    for (let at = 0; at < 40; at++)
      assert.equal((await notify({ SigningCertURL: `https://sns.eu-west-1.amazonaws.com/x${at}.pem` })).status, 503)
    assert.equal(fetched.length, 20)
  })

  test('whose host says nothing is given up', async () => {
    const { notify, clock } = listener({ fetch: (() => new Promise(() => {})) as never })
    const answer = notify()
    let response: Response | undefined
    void answer.then((got) => {
      response = got
    })
    while (!response) {
      await new Promise((resolve) => setImmediate(resolve))
      await clock.advance(1000)
    }
    assert.equal(response.status, 503)
  })
})

describe('a subscription of Amazon SNS', () => {
  test('is confirmed where the topic is pinned', async () => {
    const { notify, fetched, lines } = listener()
    assert.equal((await notify(CONFIRMATION)).status, 204)
    assert.deepEqual(fetched, [CERTIFICATE_URL, SUBSCRIBE_URL])
    assert.deepEqual(lines, [
      { level: 'info', message: 'a topic of Amazon SNS is subscribed', fields: { topic: TOPIC } },
    ])
  })

  const elsewhere = [
    'https://evil.example/?Action=ConfirmSubscription',
    SUBSCRIBE_URL.replace('https:', 'http:'),
    SUBSCRIBE_URL.replace('ConfirmSubscription', 'DeleteTopic'),
    SUBSCRIBE_URL.replace(TOPIC, `${TOPIC}-2`),
    `${SUBSCRIBE_URL}&TopicArn=${TOPIC}-2`,
    SUBSCRIBE_URL.replace('/?', '/x?'),
    '',
  ]
  for (const SubscribeURL of elsewhere) {
    test(`is not confirmed at ${SubscribeURL || 'no URL'}, though that is signed`, async () => {
      const { notify, fetched } = listener()
      const response = await notify({ ...CONFIRMATION, SubscribeURL })
      assert.equal(response.status, 401)
      assert.match(String((await problemOf(response)).detail), /SubscribeURL/)
      assert.deepEqual(fetched, [CERTIFICATE_URL])
    })
  }

  test('of another topic is not confirmed', async () => {
    const { notify, fetched } = listener()
    assert.equal((await notify({ ...CONFIRMATION, TopicArn: `${TOPIC}-2` })).status, 401)
    assert.deepEqual(fetched, [])
  })

  test('that SNS does not confirm is to be tried again', async () => {
    let count = 0
    const { notify } = listener({
      answer: () => (count++ === 0 ? new Response(CERTIFICATE) : new Response('', { status: 500 })),
    })
    assert.equal((await notify(CONFIRMATION)).status, 503)
  })

  test('that has ended is told, and nothing is fetched', async () => {
    const { notify, fetched, lines } = listener()
    assert.equal((await notify({ ...CONFIRMATION, Type: 'UnsubscribeConfirmation' })).status, 204)
    assert.deepEqual(fetched, [CERTIFICATE_URL])
    assert.equal(lines[0]!.level, 'warn')
  })
})
