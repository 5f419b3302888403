import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MAX_EVENT_OCTETS } from '../../../functions/contract/events.ts'
import { eventIn, type SwitchEvent } from '../../../gateway/freeswitch/event.ts'
import type { Frame } from '../../../gateway/freeswitch/frames.ts'
import { eventId, eventOf } from '../../../gateway/freeswitch/raised.ts'

const frame = (type: string, body: string): Frame => ({ headers: new Map([['content-type', type]]), body })
const json = (body: unknown) => eventIn(frame('text/event-json', JSON.stringify(body)))!
const plain = (body: string) => eventIn(frame('text/event-plain', body))!
const made = (body: Record<string, string>, callId = 'c@x', more: string[] = []) => eventOf(json(body), callId, more)
const values = (event: SwitchEvent, ...names: string[]) => names.map((name) => event.get(name))

describe('events of FreeSWITCH', () => {
  test('say the same in plain and in JSON, whatever the case of a name', () => {
    const text =
      'Event-Name: DTMF\nDTMF-Digit: %23\nvariable_x: Gr%C3%BC%C3%9Fe%20%2B%0A\nlist: ARRAY%3A%3Aa%7C%3Ab\n\ninner: body'
    const same = {
      'Event-Name': 'DTMF',
      'DTMF-Digit': '#',
      variable_x: 'Grüße +\n',
      list: ['a', 'b'],
      _body: 'inner: body',
    }
    for (const event of [plain(text), json(same)]) {
      assert.equal(event.name, 'DTMF')
      assert.deepEqual(values(event, 'dtmf-digit', 'Variable_X', 'list', 'inner', 'None'), [
        '#',
        'Grüße +\n',
        'ARRAY::a|:b',
        '',
        '',
      ])
    }
  })

  test('escapes that are none, or no UTF-8, are read as far as they can be', () => {
    const event = plain('Event-Name: X\nA: 100%\nB: %FF%41\nC: %4\n\n')
    assert.deepEqual(values(event, 'A', 'B', 'C'), ['100%', '\ufffdA', '%4'])
  })

  test('in JSON have only texts, numbers and lists of these', () => {
    const event = json({ 'Event-Name': 'X', n: 5, o: { a: 1 }, b: true, z: null })
    assert.deepEqual(values(event, 'n', 'o', 'b', 'z', '__proto__', 'constructor'), ['5', '', '', '', '', ''])
  })

  test('in JSON may be nested as deep as a message is long: a list in a list is none', () => {
    const depth = 500_000
    const deep = `${'['.repeat(depth)}${']'.repeat(depth)}`
    const event = eventIn(frame('text/event-json', `{"Event-Name":"X","list":["a",["b"]],"deep":${deep}}`))!
    assert.deepEqual(values(event, 'list', 'deep'), ['ARRAY::a|:', 'ARRAY::'])
    assert.equal(eventIn(frame('text/event-json', `{"Event-Name":{"a":${deep}}}`)), undefined)
  })

  test('are none where they have no name, or cannot be read', () => {
    for (const body of ['', '{', 'null', '[]', '"DTMF"', '{"Event-Name":""}'])
      assert.equal(eventIn(frame('text/event-json', body)), undefined)
    for (const body of ['', '\n\n', 'Event-Name\n\n']) assert.equal(eventIn(frame('text/event-plain', body)), undefined)
    assert.equal(eventIn(frame('api/response', '{"Event-Name":"DTMF"}')), undefined)
  })
})

describe('what they are here', () => {
  test('a digit is a dtmf, as long as it was pressed; without a call, or no digit, it is nothing', () => {
    const digit = { 'Event-Name': 'DTMF', 'DTMF-Digit': '5', 'DTMF-Duration': '2000' }
    assert.deepEqual(made(digit), {
      type: 'dtmf',
      attributes: { callId: 'c@x', digit: '5', duration: 250, source: 'esl' },
    })
    assert.equal(made(digit, ''), undefined)
    for (const wrong of ['55', '', 'E', 'w']) assert.equal(made({ ...digit, 'DTMF-Digit': wrong }), undefined)
    for (const duration of ['x', '-8', 'Infinity', ''])
      assert.equal(made({ ...digit, 'DTMF-Duration': duration })!.attributes.duration, 0)
    assert.equal(made(digit, 'c\r\nVia: x')!.attributes.callId, 'c  Via: x')
  })

  test('any other is named after itself, with what is known of its channel and the headers that are asked for', () => {
    const hangup = {
      ...{ 'Event-Name': 'CHANNEL_HANGUP_COMPLETE', 'Unique-ID': 'u-1', 'Call-Direction': 'inbound' },
      ...{ 'Caller-Caller-ID-Number': '100', 'Caller-Destination-Number': '200', variable_domain_name: 'x\r\ny' },
      ...{ 'Answer-State': 'hangup', 'Hangup-Cause': 'USER_BUSY', variable_sip_term_status: '486' },
    }
    assert.deepEqual(made(hangup, 'c@x', ['variable_domain_name', 'Nothing']), {
      type: 'freeswitch.channel_hangup_complete',
      attributes: {
        ...{ callId: 'c@x', uuid: 'u-1', direction: 'inbound', caller: '100', callee: '200', state: 'hangup' },
        ...{ cause: 'USER_BUSY', sipStatus: '486', variable_domain_name: 'x  y' },
      },
    })
    assert.equal(String(made({ 'Event-Name': 'X', 'Unique-ID': 'u'.repeat(9000) })!.attributes.uuid).length, 4096)
  })

  test('its attributes have a limit in all', () => {
    const names = Array.from({ length: 64 }, (_, n) => `variable_${n}`)
    const { attributes } = made(
      { 'Event-Name': 'X', ...Object.fromEntries(names.map((name) => [name, 'ü'.repeat(5000)])) },
      'c@x',
      names,
    )!
    assert.equal(Object.values(attributes).join('').length, 16_384)
    assert.ok(Buffer.byteLength(JSON.stringify(attributes)) <= MAX_EVENT_OCTETS)
  })

  test('a CUSTOM one is named after its subclass, as far as that is a name', () => {
    const custom = (subclass: string) => made({ 'Event-Name': 'CUSTOM', 'Event-Subclass': subclass }, '')
    assert.deepEqual(custom('conference::maintenance'), {
      type: 'freeswitch.custom.conference.maintenance',
      attributes: {},
    })
    assert.equal(custom('My Event')!.type, 'freeswitch.custom.my_event')
    for (const wrong of ['::', '', 'x'.repeat(200)]) assert.equal(custom(wrong), undefined)
  })

  test('its id is the same wherever it is heard; one that does not say which it is has none', () => {
    const id = (core: string, sequence: string) =>
      eventId(json({ 'Event-Name': 'X', 'Core-UUID': core, 'Event-Sequence': sequence }))
    assert.equal(id('3b7b-4f', '471'), 'freeswitch-3b7b-4f-471')
    for (const [core, sequence] of [
      ['', '1'],
      ['a', ''],
      ['a b', '1'],
      ['a', '1\n'],
      ['a'.repeat(100), '1'],
    ] as const)
      assert.equal(id(core, sequence), undefined)
  })
})
