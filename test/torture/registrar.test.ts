import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { settled } from '../support/fake-clock.ts'
import { WireMessage } from '../support/wire.ts'
import { world } from '../support/world.ts'

/** What the built-in registrar answers to each REGISTER of the corpus, and the contacts it then lists. */
const ANSWERS: Record<string, { status: number; contacts?: string[] }> = {
  'rfc4475/escnull.dat': {
    status: 200,
    contacts: ['<sip:%00@host5.example.com>;expires=3600', '<sip:%00%00@host5.example.com>;expires=3600'],
  },
  'rfc4475/dblreq.dat': { status: 200, contacts: ['<sip:j.user@host.example.com>;expires=3600'] },
  'rfc4475/scalar02.dat': { status: 400 },
  'rfc4475/regbadct.dat': { status: 400 },
  'rfc4475/unksm2.dat': { status: 400 },
  // without a function nobody asks for credentials, of whatever scheme; neither of these names a contact
  'rfc4475/regaut01.dat': { status: 200 },
  'edge/auth-many.dat': { status: 200 },
  'hostile/redos-auth.dat': { status: 200 },
  'hostile/auth-bare-token.dat': { status: 200 },
  'rfc4475/cparam01.dat': {
    status: 200,
    contacts: ['<sip:+19725552222@gw1.example.net>;expires=3600;unknownparam'],
  },
  'rfc4475/cparam02.dat': {
    status: 200,
    contacts: ['<sip:+19725552222@gw1.example.net;unknownparam>;expires=3600'],
  },
  'rfc4475/regescrt.dat': {
    status: 200,
    contacts: ['<sip:user@example.com?Route=%3Csip:sip.example.com%3E>;expires=3600'],
  },
  'rfc5118/ipv6-good.dat': { status: 200, contacts: ['<sip:caller@[2001:db8::1]>;expires=3600'] },
  'rfc5118/ipv6-bad.dat': { status: 400 },
  'rfc5118/port-ambiguous.dat': { status: 200, contacts: ['<sip:caller@[2001:db8::1]>;expires=3600'] },
  // the router's own host, at a port where it does not listen
  'rfc5118/port-unambiguous.dat': { status: 404 },
  'edge/contact-star.dat': { status: 200 },
  'edge/contact-bare-list.dat': {
    status: 200,
    contacts: [
      '<sip:a@192.0.2.1>;expires=3600',
      '<sip:a@192.0.2.2>;expires=60',
      '<sip:a@192.0.2.3>;q=0.5;expires=3600',
    ],
  },
  'edge/contact-comma-quoted.dat': {
    status: 200,
    contacts: [
      '<sip:a,b@192.0.2.1>;expires=3600;+sip.instance="<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>";reg-id=1',
      '<sip:c@192.0.2.2>;expires=3600',
    ],
  },
  'edge/pn-contact.dat': {
    status: 200,
    contacts: [
      '<sip:b@192.0.2.9;pn-provider=fcm;pn-param=proj;pn-prid=dev%3Atok_-.en>;expires=3600;+sip.instance="<urn:uuid:1>"',
    ],
  },
}

const directory = new URL('./', import.meta.url)

/** REGISTERs of the corpus that reach a registrar at all. */
const registers: string[] = JSON.parse(readFileSync(new URL('index.json', directory), 'utf8'))
  .map(({ file }: { file: string }) => file)
  .filter((file: string) => read(file).startsWith('REGISTER '))

test('every REGISTER of the corpus has its answer here', () => {
  assert.deepEqual(Object.keys(ANSWERS).sort(), registers.sort())
})

for (const file of registers) {
  test(`${file} to the built-in registrar: ${ANSWERS[file]?.status}, and no part of it is taken when it is refused (RFC 3261 10.3)`, async () => {
    const w = await world({ gateway: { domains: ['example.com', '2001:db8::10', '2001:db8::10:5070'] } })
    const heard: WireMessage[] = []
    const [sender] = await Promise.all(
      [5060, 5070].map((port) =>
        w.network.udp(
          { address: '10.0.0.77', port },
          { receive: (octets) => heard.push(new WireMessage(Buffer.from(octets).toString('latin1'))) },
        ),
      ),
    )
    sender!.send(Buffer.from(read(file), 'latin1'), '10.0.0.1', 5060)
    await settled()
    const { bindings } = await w.gateway.registrations('', 100)
    const { status, contacts = [] } = ANSWERS[file]!
    assert.deepEqual(
      heard.map((response) => response.status),
      [status],
    )
    assert.deepEqual(heard[0]!.headers('Contact'), contacts)
    assert.equal(bindings.length, contacts.length)
    await w.stop()
  })
}

function read(file: string): string {
  return readFileSync(new URL(file, directory), 'latin1')
}
