import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { LambdaContext, LambdaEvent } from 'hono/aws-lambda'
import { invocationPath, userText } from '../../../functions/contract/path.ts'
import { parseUri } from '../../../functions/contract/uri/uri.ts'
import { lambda } from '../../../functions/entry/lambda.ts'
import { pathAsSent } from '../../../functions/entry/lambda-path.ts'
import { type Front, type HttpRequest, lambdaEvent } from '../../runtimes/lambda/events.ts'
import { invocation } from '../invocations.ts'

const context = (leftMs = 3000) => ({ awsRequestId: 'r-1', getRemainingTimeInMillis: () => leftMs }) as LambdaContext

function request(parts: Partial<HttpRequest> = {}): HttpRequest {
  return { method: 'POST', path: '/', query: '', headers: [], body: Buffer.alloc(0), ...parts }
}

function invite(uri: string, path = pathOf(uri)): HttpRequest {
  const body = Buffer.from(JSON.stringify(invocation({ request: { uri, aor: uri } })))
  return request({ path, headers: [['content-type', 'application/cloudevents+json']], body })
}

function pathOf(uri: string): string {
  const { host, user } = parseUri(uri)!
  return invocationPath('INVITE', host, userText(user))
}

/** Where the app is asked, when AWS has made an event of the request and the entry a request again. */
async function pathSeen(front: Front, asked: HttpRequest, change: (event: Event) => void = () => {}): Promise<string> {
  let seen = ''
  const handler = lambda({
    fetch: (request) => {
      seen = request.url.replace(/^https?:\/\/[^/]+/, '')
      return new Response('')
    },
  })
  const event = lambdaEvent(front, asked) as unknown as Event
  change(event)
  await handler(event as unknown as LambdaEvent, context())
  return seen
}

interface Event {
  rawPath: string
  requestContext: { stage: string }
}

describe('an app on AWS Lambda', () => {
  test('is given process.env and Lambda’s context', async () => {
    let given: unknown[] = []
    const handler = lambda({
      fetch: (_request, ...more) => {
        given = more
        return new Response('hello')
      },
    })
    const of = context()
    const result = await handler(lambdaEvent('function-url', request()) as never, of)
    assert.equal((result as { body: string }).body, 'hello')
    assert.ok(given[0] === process.env && given[1] === of)
  })

  test('that does not answer in time: 504 before AWS ends it, and its request is aborted', async () => {
    let heard: AbortSignal | undefined
    const handler = lambda({
      fetch: ({ signal }) => {
        heard = signal
        return new Promise(() => {})
      },
    })
    const event = lambdaEvent('function-url', invite('sip:bob@example.com'))
    const { statusCode, body } = (await handler(event as never, context(100))) as { statusCode: number; body: string }
    assert.equal(statusCode, 504)
    assert.equal(JSON.parse(body).title, 'handler.timeout')
    assert.equal(heard?.aborted, true)
  })

  test('that throws fails the invocation, as AWS expects it', async () => {
    const handler = lambda({
      fetch: () => {
        throw new Error('a bug')
      },
    })
    await assert.rejects(handler(lambdaEvent('function-url', request()) as never, context()), /a bug/)
  })
})

describe('the path of an invocation', () => {
  const URIS = [
    'sip:bob@example.com',
    'sip:*97@example.com',
    'sip:%2A97@example.com',
    'sip:+1555@example.com',
    'sip:%2B1555@example.com',
    'sip:a/b@example.com',
    'sip:50%25@example.com',
    'sip:what?now@example.com',
    'sip:j%C3%B6@example.com',
    'sip:[::1]%3A5060@[2001:db8::1]',
    'sip:example.com',
    'tel:+1-555-0100',
  ]
  for (const front of ['function-url', 'http-api', 'http-api-1.0', 'rest-api', 'alb'] as const) {
    test(`is what the gateway sent, behind ${front}`, async () => {
      for (const uri of URIS) assert.equal(await pathSeen(front, invite(uri)), pathOf(uri))
    })
  }

  for (const front of ['function-url', 'rest-api', 'alb'] as const) {
    test(`is left byte for byte as it is, behind ${front}`, async () => {
      for (const path of ['/invite/example.com/%2A97', '/invite/example.com/%2b1555', '/files/a%2Fb%3Fc']) {
        assert.equal(await pathSeen(front, invite('sip:bob@example.com', path)), path)
      }
    })
  }

  test('is put together again below a base path, and without the name of the stage, behind an HTTP API', async () => {
    const below = { ...invite('sip:a/b@example.com'), path: '/my app/invite/example.com/a%2Fb'.replace(' ', '%20') }
    assert.equal(await pathSeen('http-api', below), '/my%20app/invite/example.com/a%2Fb')
    const staged = (event: Event) => {
      event.requestContext.stage = 'prod'
      event.rawPath = `/prod${event.rawPath}`
    }
    assert.equal(await pathSeen('http-api', invite('sip:+1555@example.com'), staged), '/invite/example.com/%2B1555')
    assert.equal(await pathSeen('http-api', request({ path: '' }), staged), '/')
  })

  test('of the app’s own is escaped where it has to be, behind an HTTP API', async () => {
    assert.equal(await pathSeen('http-api', request({ path: '/files/50%25%20%23%C3%B6' })), '/files/50%25%20%23%C3%B6')
    assert.equal(await pathSeen('http-api', invite('sip:bob@example.com', '/on/late-fork')), '/on/late-fork')
  })

  test('a body that is no JSON, or names no URI, changes nothing', () => {
    const hostile = [
      '{"method":"INVITE","uri":7}',
      '{"method":"INVITE","uri":"sip:\\ud800@b"}',
      '{"method":7,"uri":"sip:b@a"}',
    ]
    const bodies = hostile.map((request) => `{"data":{"request":${request}}}`)
    for (const body of [...bodies, '{', '[]', 'null', '']) {
      const headers: [string, string][] = [['content-type', 'application/json']]
      const event = lambdaEvent('http-api', request({ path: '/invite/a/b', headers, body: Buffer.from(body) }))
      assert.equal((pathAsSent(event as never) as { rawPath: string }).rawPath, '/invite/a/b')
    }
  })
})
