import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseNameAddr } from '../../../gateway/sip/name-addr.ts'

test('the name-addr form: display name, URI and header parameters apart (RFC 3261 20.10)', () => {
  const value = parseNameAddr(
    '"Bob \\"B\\" <x>, y" <sip:bob@example.com;lr?x=y> ; Tag = a1;+sip.instance="<urn:uuid:1>" ; ob',
  )!
  assert.equal(value.display, 'Bob "B" <x>, y')
  assert.equal(value.uri, 'sip:bob@example.com;lr?x=y')
  assert.deepEqual(
    [...value.params],
    [
      ['tag', 'a1'],
      ['+sip.instance', '<urn:uuid:1>'],
      ['ob', undefined],
    ],
  )
  assert.equal(value.rawParams, '; Tag = a1;+sip.instance="<urn:uuid:1>" ; ob')
})

test('the addr-spec form: parameters belong to the header (RFC 3261 20)', () => {
  const value = parseNameAddr(' sip:bob@example.com ; tag=a1 ')!
  assert.deepEqual(
    [value.display, value.uri, value.params.get('tag'), value.rawParams],
    ['', 'sip:bob@example.com', 'a1', '; tag=a1'],
  )
})

test('display names of several words, without blank before <, and in unquoted UTF-8', () => {
  assert.equal(parseNameAddr('Alice of  Wonderland  <sip:a@b>')!.display, 'Alice of  Wonderland')
  assert.equal(parseNameAddr('caller<sip:a@b>')!.display, 'caller')
  assert.equal(parseNameAddr('Zo\xc3\xab (desk) <sip:a@b>')!.display, 'Zo\xc3\xab (desk)')
  assert.equal(parseNameAddr('<sip:a@b>')!.display, '')
  assert.equal(parseNameAddr('"" <sip:a@b>')!.display, '')
})

test('other schemes are read: whether they can be used is for who uses them (RFC 4475 3.3.4)', () => {
  assert.equal(parseNameAddr('isbn:2983792873')!.uri, 'isbn:2983792873')
  assert.equal(parseNameAddr('<http://www.example.com>;tag=1')!.uri, 'http://www.example.com')
})

test('parameters called like members of Object are parameters, and the first of two counts', () => {
  const value = parseNameAddr('<sip:a@b>;__proto__=1;constructor;q=0.1;q=0.2')!
  assert.deepEqual(
    [...value.params],
    [
      ['__proto__', '1'],
      ['constructor', undefined],
      ['q', '0.1'],
    ],
  )
})

test('broken values are undefined', () => {
  const unclosed = ['"x <sip:a@b>', '<sip:a@b', '< sip:a@b >', '<>', '<x>', 'x', '', '   ', '"x"', '"x" sip:a@b']
  const stray = [
    '<sip:a@b>;',
    '<sip:a@b>;;x',
    '<sip:a@b>;x=',
    '<sip:a@b>;="1"',
    '<sip:a@b>;x="1',
    '<sip:a@b>;x="\\',
    '<sip:a@b> x',
    '<sip:a@b>, <sip:c@d>',
  ]
  const names = ['Bell, Alexander <sip:a@b>', 'x"y" <sip:a@b>', 'x;y <sip:a@b>', 'x\x01 <sip:a@b>']
  const bare = ['sip:a@b?x=y', 'sip:a,b@c', 'sip:a@b sip:c@d', 'sip:a>b', '*']
  for (const text of [...unclosed, ...stray, ...names, ...bare])
    assert.equal(parseNameAddr(text), undefined, JSON.stringify(text))
})

test('two tags make a broken value (RFC 3261 7.3.1)', () => {
  assert.equal(parseNameAddr('<sip:a@b>;tag=1;TAG=2'), undefined)
  assert.equal(parseNameAddr('<sip:a@b>;tag'), undefined)
})
