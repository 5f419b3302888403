import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { FakeSwitch } from '../../support/freeswitch.ts'

/** The stand-in says what mod_event_socket says, octet by octet: what is tested against it rests on that. */

const GREETING = 'Content-Type: auth/request\n\n'
const GOODBYE =
  'Content-Type: text/disconnect-notice\nContent-Length: 67\n\nDisconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n'
const reply = (text: string) => `Content-Type: command/reply\nReply-Text: ${text}\n\n`
const api = (body: string) => `Content-Type: api/response\nContent-Length: ${body.length}\n\n${body}`

async function raw(t: TestContext, media = new FakeSwitch()) {
  await media.start()
  const socket = connect(media.port, '127.0.0.1')
  let heard = ''
  let isClosed = false
  socket.setEncoding('utf8')
  socket.on('data', (text) => {
    heard += text
  })
  socket.on('close', () => {
    isClosed = true
  })
  await once(socket, 'connect')
  t.after(async () => {
    socket.destroy()
    await media.stop()
  })
  const until = async (isSo: () => boolean) => {
    for (let turns = 0; turns < 50_000 && !isSo(); turns++) await new Promise(setImmediate)
    assert.ok(isSo(), JSON.stringify(heard))
  }
  /** Exactly this has come since the last time. */
  const hears = async (text: string) => {
    await until(() => heard.length >= text.length)
    assert.equal(heard, text)
    heard = ''
  }
  const says = async (text: string, answer: string) => {
    socket.write(text)
    await hears(answer)
  }
  return { media, socket, says, hears, isClosed: () => until(() => isClosed) }
}

describe('the stand-in of FreeSWITCH', () => {
  test('does nothing for who has not said the password, and shows out who has said another', async (t) => {
    const { says, hears, isClosed } = await raw(t)
    await hears(GREETING)
    await says('event plain ALL\n\n', reply('-ERR command not found'))
    await says('api version\n\n', reply('-ERR command not found'))
    await says('auth wrong\n\n', reply('-ERR invalid') + GOODBYE)
    await isClosed()
  })

  test('a command ends with an empty line, in whatever pieces it comes; one that it does not know is told so', async (t) => {
    const { says, hears, socket, media } = await raw(t)
    await hears(GREETING)
    socket.write('auth Clue')
    await new Promise(setImmediate)
    await says('Con\n\n', reply('+OK accepted'))
    await says('hello\n\nlinger\n\n', reply('-ERR command not found') + reply('-ERR not controlling a session'))
    await says('event plain NOTHING\n\n', reply('-ERR no keywords supplied'))
    await says('event plain NOTHING DTMF CUSTOM a::b\n\n', reply('+OK event listener enabled plain'))
    media.raise('CUSTOM', { 'Event-Subclass': 'c::d' })
    media.raise('DTMF', { 'DTMF-Digit': '#' })
    const digit = 'Event-Name: DTMF\nCore-UUID: core-1\nEvent-Sequence: 2\nDTMF-Digit: %23\n\n'
    await hears(`Content-Length: ${digit.length}\nContent-Type: text/event-plain\n\n${digit}`)
    await says('event json CHANNEL_ANSWER\n\n', reply('+OK event listener enabled json'))
    media.raise('DTMF', { 'DTMF-Digit': '#' }, 'body')
    const json =
      '{"Event-Name":"DTMF","Core-UUID":"core-1","Event-Sequence":"3","DTMF-Digit":"#","Content-Length":"4","_body":"body"}'
    await hears(`Content-Length: ${json.length}\nContent-Type: text/event-json\n\n${json}`)
    await says('exit\n\n', reply('+OK bye') + GOODBYE)
  })

  test('a user hears what he may do; channels are asked of, and killed once', async (t) => {
    const { says, hears, media } = await raw(t, new FakeSwitch('me@example.com:pw'))
    await hears(GREETING)
    const rights = 'Allowed-Events: all\nAllowed-API: all\nAllowed-LOG: true'
    await says('userauth me@example.com:pw\n\n', reply(`+OK accepted\n${rights}`))
    media.denied.add('DTMF')
    await says('event json DTMF\n\n', reply('-ERR permission denied'))
    media.channels.set('u-1', 'c@x').set('u-2', undefined)
    await says('api uuid_getvar u-1 sip_call_id\n\n', api('c@x'))
    await says('api uuid_getvar u-2 sip_call_id\n\n', api('_undef_'))
    await says('api uuid_kill u-1 USER_BUSY\n\napi uuid_kill u-1\n\n', api('+OK\n') + api('-ERR No such channel!\n'))
    await says('api nothing\n\n', api('-ERR nothing Command not found!\n'))
  })

  test('whom its ACL does not let in is told so, and shown out', async (t) => {
    const media = new FakeSwitch()
    media.rejects = 'text/rude-rejection'
    const { hears, isClosed } = await raw(t, media)
    await hears('Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n')
    await isClosed()
  })
})
