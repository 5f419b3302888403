import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { type Hmac, type Octets, platformHmac, webHmac } from '../../../functions/contract/hmac.ts'
import { createSigner as signerOf } from '../../../functions/contract/sign.ts'

const ONE = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const TWO = 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
const BODY = '{"grüße":"∆"}'

function reading(headers: object): (name: string) => string | undefined {
  return (name) => (headers as Record<string, string>)[name]
}

for (const [name, hmacOf] of [
  ['by WebCrypto, as at the edge', webHmac],
  ['by what is fastest on Node', platformHmac],
] as const) {
  describe(name, () => signing(hmacOf))
}

function signing(hmacOf: (key: Octets) => Hmac): void {
  const createSigner = (secret: string) => signerOf(secret, hmacOf)

  test('the reference implementation verifies what we sign, and we what it signs', async () => {
    const now = Date.now()
    const signed = await createSigner(ONE).sign('msg-1', BODY, now)
    assert.deepEqual(new Webhook(ONE).verify(BODY, { ...signed }), JSON.parse(BODY))
    const theirs = {
      'webhook-id': 'msg-2',
      'webhook-timestamp': String(Math.floor(now / 1000)),
      'webhook-signature': new Webhook(ONE).sign('msg-2', new Date(now), BODY),
    }
    assert.deepEqual(await createSigner(ONE).verify(reading(theirs), BODY, now), {
      ok: true,
      value: { id: 'msg-2', timestamp: Math.floor(now / 1000) },
    })
  })

  test('two live keys: signed with both, either verifies', async () => {
    const signed = await createSigner(`${ONE} ${TWO}`).sign('msg-1', BODY, 0)
    assert.equal(signed['webhook-signature'].split(' ').length, 2)
    for (const secret of [ONE, TWO, `${TWO} ${ONE}`]) {
      assert.equal((await createSigner(secret).verify(reading(signed), BODY, 0)).ok, true)
    }
  })

  test('another body, id, timestamp or key is refused', async () => {
    const signed = await createSigner(ONE).sign('msg-1', BODY, 0)
    const refused = async (headers: object, body = BODY, secret = ONE) =>
      assert.equal((await createSigner(secret).verify(reading(headers), body, 0)).ok, false)
    await refused(signed, `${BODY} `)
    await refused({ ...signed, 'webhook-id': 'msg-2' })
    await refused({ ...signed, 'webhook-timestamp': '1' })
    await refused(signed, BODY, TWO)
  })

  test('five minutes off, either way, and no more', async () => {
    const signer = createSigner(ONE)
    const signed = await signer.sign('msg-1', BODY, 1_000_000_000)
    const at = async (now: number) => (await signer.verify(reading(signed), BODY, now)).ok
    assert.equal(await at(1_000_300_000), true)
    assert.equal(await at(999_700_000), true)
    assert.equal(await at(1_000_301_000), false)
    assert.equal(await at(999_699_000), false)
  })

  test('headers that are missing or nonsense are refused, thousands of signatures are not all looked at', async () => {
    const signer = createSigner(ONE)
    const signed = await signer.sign('msg-1', BODY, 0)
    for (const name of Object.keys(signed)) {
      assert.equal((await signer.verify(reading({ ...signed, [name]: undefined }), BODY, 0)).ok, false)
    }
    for (const value of [
      '',
      'v1',
      'v1,',
      'v1,%%%',
      'v2,AAAA',
      `${'v1,AAAA '.repeat(10_000)}${signed['webhook-signature']}`,
    ]) {
      assert.equal((await signer.verify(reading({ ...signed, 'webhook-signature': value }), BODY, 0)).ok, false)
    }
    assert.equal((await signer.verify(reading({ ...signed, 'webhook-timestamp': 'NaN' }), BODY, 0)).ok, false)
  })

  test('a secret that cannot be read is refused when it is configured', () => {
    for (const secret of ['', ' ', 'whsec_', 'whsec_%%%']) assert.throws(() => createSigner(secret), /expected whsec_/)
  })
}
