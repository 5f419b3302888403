import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { jwtVerify } from 'jose'
import { apnsProvider } from '../../../functions/push/apns.ts'
import { apnsHttp2 } from '../../../functions/push/apns-http2.ts'
import { ApnsToken } from '../../../functions/push/apns-token.ts'
import { webPushProvider } from '../../../functions/push/index.ts'
import { publicFetch } from '../../../functions/push/public-fetch.ts'
import { snsProvider } from '../../../functions/push/sns.ts'
import { readApplicationArn } from '../../../functions/push/sns-application.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { withEnvironment } from '../../support/readme-example.ts'
import { browser } from './browser.ts'
import { ecKeys, NOW, pushOf, refreshOf } from './pushes.ts'

/** What carries pushes, over real sockets. */

const TLS = new URL('../../support/tls/', import.meta.url)
const cert = readFileSync(new URL('cert.pem', TLS), 'utf8')
const key = readFileSync(new URL('key.pem', TLS), 'utf8')

async function listening(t: TestContext, server: Server | Http2SecureServer): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    if ('closeAllConnections' in server) server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

describe('HTTP/2 to Apple', () => {
  async function apple(t: TestContext, answer: (stream: ServerHttp2Stream) => void) {
    const server = createSecureServer({ cert, key })
    const sessions: ServerHttp2Session[] = []
    server.on('session', (session) => sessions.push(session))
    server.on('stream', (stream) => {
      stream.on('error', () => {})
      answer(stream)
    })
    const port = await listening(t, server)
    const { send, close } = apnsHttp2(`https://127.0.0.1:${port}`, cert)
    t.after(close)
    const push = (signal = new AbortController().signal) =>
      send({ path: '/3/device/aa11', headers: { 'apns-topic': 'com.example.app' }, body: '{}', signal })
    return { push, sessions }
  }

  const accept = (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200 })
    stream.end()
  }

  test('many pushes at once share two connections', async (t) => {
    const waiting: ServerHttp2Stream[] = []
    const { push, sessions } = await apple(t, (stream) => {
      // Nobody is answered before all are there: one after the other they would wait for ever.
      if (waiting.push(stream) === 100) waiting.forEach(accept)
    })
    const answers = await Promise.all(Array.from({ length: 100 }, () => push()))
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
    assert.ok(sessions.length <= 2, `${sessions.length} connections`)
  })

  test('a call and a refresh as Apple gets them: who sends them, by which token, how urgent', async (t) => {
    const heard: string[] = []
    const { publicKey, pem } = ecKeys()
    const server = createSecureServer({ cert, key })
    server.on('stream', async (stream, headers) => {
      let body = ''
      for await (const chunk of stream) body += chunk
      const bearer = String(headers.authorization).replace('bearer ', '')
      const { payload } = await jwtVerify(bearer, publicKey)
      const { ':path': path, 'apns-topic': topic, 'apns-push-type': type, 'apns-priority': priority } = headers
      heard.push([path, topic, type, priority, payload.iss, body].join(' '))
      stream.respond({ ':status': 200 })
      stream.end()
    })
    const port = await listening(t, server)
    const { send, close } = apnsHttp2(`https://127.0.0.1:${port}`, cert)
    t.after(close)
    const clock = new FakeClock(NOW)
    const token = new ApnsToken({ key: pem, keyId: 'ABC123DEFG', teamId: 'DEF123GHIJ' }, clock)
    const provider = apnsProvider({ token, send, clock })
    const device = { prid: 'aa11:voip&bb22:remote', param: 'DEF123GHIJ.com.example.app.voip&remote' }
    assert.deepEqual(await provider.send(pushOf(device)), { outcome: 'accepted' })
    assert.deepEqual(await provider.send(refreshOf(device)), { outcome: 'accepted' })
    assert.deepEqual(heard, [
      '/3/device/aa11 com.example.app.voip voip 10 DEF123GHIJ {"call":"call-1","event":"call","aps":{}}',
      '/3/device/bb22 com.example.app background 5 DEF123GHIJ {"event":"refresh","aps":{"content-available":1}}',
    ])
  })

  test('what is refused comes with its reason and Retry-After', async (t) => {
    const { push } = await apple(t, (stream) => {
      stream.respond({ ':status': 503, 'retry-after': '5' })
      stream.end('{"reason":"Shutdown"}')
    })
    assert.deepEqual(await push(), { status: 503, retryAfter: '5', body: '{"reason":"Shutdown"}' })
  })

  test('a connection that Apple closes is followed by another', async (t) => {
    const { push, sessions } = await apple(t, accept)
    await push()
    sessions[0]!.close()
    await once(sessions[0]!, 'close')
    assert.equal((await push()).status, 200)
    assert.equal(sessions.length, 2)
  })

  test('a push that nobody waits for any more is given up, and the connection goes on', async (t) => {
    let silent = true
    const arrived = Promise.withResolvers<void>()
    const { push } = await apple(t, (stream) => {
      arrived.resolve()
      if (!silent) accept(stream)
    })
    const controller = new AbortController()
    const given = push(controller.signal)
    await arrived.promise
    controller.abort()
    await assert.rejects(given, { name: 'AbortError' })
    silent = false
    assert.equal((await push()).status, 200)
  })

  test('a certificate that nobody knows is not taken', async (t) => {
    const port = await listening(t, createSecureServer({ cert, key }))
    const { send, close } = apnsHttp2(`https://127.0.0.1:${port}`)
    t.after(close)
    const { signal } = new AbortController()
    await assert.rejects(send({ path: '/', headers: {}, body: '', signal }), /certificate/)
  })
})

describe('the AWS SDK to SNS', () => {
  const ARN = 'arn:aws:sns:eu-west-1:123456789012'
  const xml = (operation: string, result = '') =>
    `<${operation}Response xmlns="http://sns.amazonaws.com/doc/2010-03-31/">${result}</${operation}Response>`
  const error = (code: string, message: string) =>
    `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`

  test('AWS_ENDPOINT_URL_SNS is asked, in the region of the ARN; errors are known by the code of the API', async (t) => {
    const asked: { action: string; authorization: string; form: URLSearchParams }[] = []
    const disabled = error('EndpointDisabled', 'Endpoint is disabled')
    const exists = `Invalid parameter: Token Reason: Endpoint ${ARN}:endpoint/GCM/phones/1 already exists with the same Token, but different attributes.`
    const attributes = `<GetEndpointAttributesResult><Attributes><entry><key>Token</key><value>another</value></entry><entry><key>Enabled</key><value>false</value></entry></Attributes></GetEndpointAttributesResult>`
    const answers: [action: string, status: number, body: string][] = [
      ['CreatePlatformEndpoint', 400, error('InvalidParameter', exists)],
      ['SetEndpointAttributes', 200, xml('SetEndpointAttributes')],
      ['Publish', 400, disabled],
      ['GetEndpointAttributes', 200, xml('GetEndpointAttributes', attributes)],
      ['SetEndpointAttributes', 200, xml('SetEndpointAttributes')],
      ['Publish', 400, disabled],
    ]
    const port = await listening(
      t,
      createServer(async (request, response) => {
        let body = ''
        for await (const chunk of request) body += chunk
        const form = new URLSearchParams(body)
        asked.push({ action: form.get('Action')!, authorization: request.headers.authorization!, form })
        const [, status, text] = answers[asked.length - 1] ?? ['', 500, '']
        response.writeHead(status, { 'content-type': 'text/xml' }).end(text)
      }),
    )
    const env = {
      AWS_ENDPOINT_URL_SNS: `http://127.0.0.1:${port}`,
      AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'secret',
    }
    const applications = [readApplicationArn(`${ARN}:app/GCM/phones`)!]
    const result = await withEnvironment(env, () =>
      snsProvider({ applications, clock: new FakeClock(NOW) }).send(pushOf()),
    )
    assert.equal(result.outcome, 'token_invalid')
    assert.deepEqual(
      asked.map(({ action }) => action),
      answers.map(([action]) => action),
    )
    assert.match(asked[0]!.authorization, /Credential=AKIDEXAMPLE\/\d{8}\/eu-west-1\/sns\/aws4_request/)
    const { form } = asked[2]!
    assert.equal(form.get('TargetArn'), `${ARN}:endpoint/GCM/phones/1`)
    assert.equal(form.get('MessageStructure'), 'json')
    assert.equal(form.get('MessageAttributes.entry.1.Name'), 'AWS.SNS.MOBILE.FCM.TTL')
    assert.equal(form.get('MessageAttributes.entry.1.Value.StringValue'), '30')
  })
})

describe('fetch for hosts that phones name', () => {
  async function pushService(t: TestContext, listener: RequestListener) {
    return `https://127.0.0.1:${await listening(t, createTlsServer({ cert, key }, listener))}/push`
  }

  test('a Web Push arrives, and only the browser can read it', async (t) => {
    const bodies: Buffer[] = []
    const prid = await pushService(t, async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk)
      bodies.push(Buffer.concat(chunks))
      response.writeHead(request.headers.ttl === '30' ? 201 : 400).end()
    })
    const { fetch, close } = publicFetch({ ca: cert, isAllowed: () => true })
    t.after(close)
    const vapid = { ...ecKeys().raw, subject: 'mailto:operator@example.com' }
    const parts = { vapid, hosts: [new URL(prid).host], clock: new FakeClock(NOW) }
    const phone = browser()
    const push = pushOf({ prid, param: phone.param })
    assert.deepEqual(await webPushProvider({ ...parts, fetch }).send(push), { outcome: 'accepted' })
    assert.deepEqual(JSON.parse(phone.decrypt(bodies[0]!)), { call: 'call-1', event: 'call' })

    const strict = publicFetch({ ca: cert })
    t.after(strict.close)
    const error = 'the push service could not be reached'
    const refused = await webPushProvider({ ...parts, fetch: strict.fetch }).send(push)
    assert.deepEqual(refused, { outcome: 'failed', error, retryAfterSeconds: 0 })
    assert.equal(bodies.length, 1)
  })

  test('asks, and follows no redirect', async (t) => {
    const paths: string[] = []
    const url = await pushService(t, (request, response) => {
      paths.push(request.url!)
      response.writeHead(307, { location: '/elsewhere', 'retry-after': '3' }).end()
    })
    const { fetch, close } = publicFetch({ ca: cert, isAllowed: (address) => address === '127.0.0.1' })
    t.after(close)
    const response = await fetch(url, { method: 'POST', redirect: 'manual', body: null })
    assert.equal(response.status, 307)
    assert.deepEqual(paths, ['/push'])
  })

  test('a name is looked up once, and what was looked at is connected to', async (t) => {
    const url = new URL(await pushService(t, (_, response) => response.end()))
    url.hostname = 'localhost'
    const looked: string[] = []
    const { fetch, close } = publicFetch({
      ca: cert,
      isAllowed: (address) => {
        looked.push(address)
        return address === '127.0.0.1'
      },
    })
    t.after(close)
    // The certificate is for the address, not the name: the connection was made all the same.
    const { cause } = await fetch(url).catch((error) => error)
    assert.equal(cause.code, 'ERR_TLS_CERT_ALTNAME_INVALID')
    assert.equal(looked.filter((address) => address === '127.0.0.1').length, 1)
  })
})
