import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, test } from 'node:test'
import { type Hmac, nodeHmac, type Octets, platformHmac, webHmac } from '../../../functions/contract/hmac.ts'

const text = new TextEncoder()
const octets = (length: number, octet: number): Octets => new Uint8Array(length).fill(octet)
const hex = (base64: string) => Buffer.from(base64, 'base64').toString('hex')
const expected = (key: Octets, message: string | Uint8Array) =>
  createHmac('sha256', key).update(message).digest().toString('hex')

for (const [name, hmacOf] of [
  ['by WebCrypto', webHmac],
  ['by Node', nodeHmac],
  ['by what is fastest here', platformHmac],
] as const)
  describe(name, () => suite(hmacOf))

function suite(hmacOf: (key: Octets) => Hmac): void {
  test('the examples of RFC 4231', async () => {
    const cases: [Octets, string | Octets, string][] = [
      [octets(20, 0x0b), 'Hi There', 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
      [
        text.encode('Jefe'),
        'what do ya want for nothing?',
        '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
      ],
      [octets(20, 0xaa), octets(50, 0xdd), '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe'],
      [
        octets(131, 0xaa),
        'Test Using Larger Than Block-Size Key - Hash Key First',
        '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
      ],
    ]
    for (const [key, message, digest] of cases) assert.equal(hex(await hmacOf(key).sign(message)), digest)
  })

  test('a message in parts, of any length, with any characters, is signed as one', async () => {
    for (const keyLength of [1, 32, 64, 65, 200]) {
      const key = octets(keyLength, 7)
      const hmac = hmacOf(key)
      for (const length of [0, 1, 55, 56, 63, 64, 1000, 65_471, 65_472, 65_473, 200_000]) {
        const body = 'x'.repeat(length)
        const whole = expected(key, `id.1.${body}`)
        assert.equal(hex(await hmac.sign(`id.1.${body}`)), whole)
        assert.equal(hex(await hmac.sign('id.1.', text.encode(body))), whole)
        assert.equal(hex(await hmac.sign(text.encode('id'), '.1.', body)), whole)
      }
      for (const odd of ['∆'.repeat(21_850), '\ud800 alone', 'grüße'])
        assert.equal(hex(await hmac.sign(odd)), expected(key, text.encode(odd)))
    }
  })

  test('what signs one message says nothing of the next; keys do not meet', async () => {
    const [one, two] = [hmacOf(octets(32, 1)), hmacOf(octets(32, 2))]
    await one.sign('a long message that is followed by a shorter one')
    const signature = await two.sign('short')
    assert.equal(hex(signature), expected(octets(32, 2), 'short'))
    assert.equal(await two.isGenuine(signature, 'short'), true)
    assert.equal(await two.isGenuine(signature, 'sh', 'ort'), true)
    assert.equal(await one.isGenuine(signature, 'short'), false)
    assert.equal(await two.isGenuine(signature, 'shor'), false)
  })

  test('a signature that is cut, goes on or is no base64 is none', async () => {
    const hmac = hmacOf(octets(32, 2))
    const signature = await hmac.sign('short')
    const read = Buffer.from(signature, 'base64')
    const cut = read.subarray(0, 31).toString('base64')
    const longer = Buffer.concat([read, Buffer.from([0])]).toString('base64')
    const twice = Buffer.concat([read, read]).toString('base64')
    for (const wrong of [
      cut,
      longer,
      twice,
      '',
      '=',
      '*',
      'ü',
      '\ud800',
      signature.toLowerCase(),
      `A${signature.slice(1)}`,
    ])
      assert.equal(await hmac.isGenuine(wrong, 'short'), false, wrong)
    assert.equal(await hmac.isGenuine(signature, 'short'), true)
  })
}
