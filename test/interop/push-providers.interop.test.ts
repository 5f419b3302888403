import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { google } from '../functions/push/google.ts'
import { rsaKeys } from '../functions/push/pushes.ts'
import { Gateway } from './gateway.ts'
import { host } from './network.ts'

/** A gateway with a push provider in its own process: what phones register for and what wakes them. */

/** A socket that says SIP requests and hears the first final response, or the first at all. */
async function phone(t: TestContext, gateway: Gateway) {
  const socket = createSocket('udp4').bind(0, host(2))
  await once(socket, 'listening')
  t.after(() => socket.close())
  const own = `${host(2)}:${socket.address().port}`
  return async (method: string, uri: string, headers: string[]): Promise<string> => {
    const lines = [
      `${method} ${uri} SIP/2.0`,
      `Via: SIP/2.0/UDP ${own};branch=z9hG4bK-${method}-1`,
      'Max-Forwards: 70',
      `From: <sip:alice@example.com>;tag=1`,
      `Call-ID: ${method}-1`,
      `CSeq: 1 ${method}`,
      ...headers.map((header) => header.replace('OWN', own)),
      'Content-Length: 0',
    ]
    socket.send(`${lines.join('\r\n')}\r\n\r\n`, 5060, gateway.address)
    const [response] = (await once(socket, 'message')) as [Buffer]
    return response.toString()
  }
}

test('a phone that has registered for FCM is woken by Firebase; one that asks for something else is refused (RFC 8599 5.3)', async (t) => {
  const { url, pushed } = await google(t)
  const account = {
    project_id: 'project-1',
    client_email: 'a@b.test',
    private_key: rsaKeys().pem,
    token_uri: `${url}/token`,
  }
  const env = { FCM_SERVICE_ACCOUNT: JSON.stringify(account), FCM_ENDPOINT: url }
  const gateway = await Gateway.start({ env })
  t.after(() => gateway.program.stop())
  const bob = await phone(t, gateway)
  const contact = (push: string) => [`To: <sip:bob@example.com>`, `Contact: <sip:bob@OWN;${push}>`]
  const refused = await (await phone(t, gateway))(
    'REGISTER',
    'sip:example.com',
    contact('pn-provider=apns;pn-prid=a;pn-param=b'),
  )
  assert.match(refused, /^SIP\/2\.0 555 /)
  const taken = await bob(
    'REGISTER',
    'sip:example.com',
    contact('pn-provider=fcm;pn-prid=token-of-bob;pn-param=project-1'),
  )
  assert.match(taken, /^SIP\/2\.0 200 /)

  const alice = await phone(t, gateway)
  const trying = await alice('INVITE', 'sip:bob@example.com', [`To: <sip:bob@example.com>`, `Contact: <sip:alice@OWN>`])
  assert.match(trying, /^SIP\/2\.0 100 /)
  const { path, body } = await pushed
  assert.equal(path, '/v1/projects/project-1/messages:send')
  const { token, data, android } = JSON.parse(body).message
  assert.deepEqual([token, data.event, android.priority], ['token-of-bob', 'call', 'HIGH'])
  assert.doesNotMatch(body, /sip:|INVITE-1/)
  assert.doesNotMatch(gateway.program.output, /token-of-bob|access-1|PRIVATE KEY/)
})

test('a browser learns by which key the router pushes, and how it is woken within a call (RFC 8599 5.3, RFC 8292 3)', async (t) => {
  const {
    x = '',
    y = '',
    d = '',
  } = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
  const point = Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')])
  const key = point.toString('base64url')
  const env = { VAPID_PUBLIC_KEY: key, VAPID_PRIVATE_KEY: d, VAPID_SUBJECT: 'mailto:operator@example.com' }
  const gateway = await Gateway.start({ env })
  t.after(() => gateway.program.stop())
  const push = 'pn-provider=webpush;pn-prid=https%3A%2F%2Ffcm.googleapis.com%2Ffcm%2Fsend%2Fx'
  const taken = await (await phone(t, gateway))('REGISTER', 'sip:example.com', [
    'To: <sip:carol@example.com>',
    `Contact: <sip:carol@OWN;${push}>;+sip.instance="<urn:uuid:carol>"`,
  ])
  assert.match(taken, /^SIP\/2\.0 200 /)
  assert.ok(taken.includes(`+sip.pns="webpush";+sip.vapid="${key}"`), taken)
  assert.match(taken, /\+sip\.pnspurr="[^"]{16,}"/)
})
