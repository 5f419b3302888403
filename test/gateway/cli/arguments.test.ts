import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readArguments } from '../../../gateway/cli/arguments.ts'
import { Refusal } from '../../../gateway/cli/command.ts'
import { dev } from '../../../gateway/cli/commands/dev.ts'
import { phone } from '../../../gateway/cli/commands/phone.ts'
import { commandHelp, generalHelp } from '../../../gateway/cli/help.ts'
import { readPlan } from '../../../gateway/cli/phone/plan.ts'
import { environment, withOwnApp } from '../../../gateway/cli/settings.ts'

const planOf = (line: string) => readPlan(readArguments(phone, line.split(' ')))

function faultsOf(work: () => unknown): readonly string[] {
  try {
    work()
  } catch (error) {
    assert.ok(error instanceof Refusal)
    return error.sentences
  }
  return []
}

test('a phone that sleeps, in the words of the README', () => {
  const plan = planOf('bob --register --asleep --answer after 2s --dtmf 2 --hangup 500ms')
  assert.deepEqual(
    [plan.user, plan.domain, plan.registers, plan.sleeps, plan.answerAfterMs, plan.digits, plan.hangUpAfterMs],
    ['bob', '127.0.0.1', true, true, 2000, '2', 500],
  )
})

test('whom to call: a user of the domain, an address, a URI', () => {
  assert.equal(planOf('alice --call bob --server 192.0.2.1:5070').call, 'sip:bob@192.0.2.1')
  assert.equal(planOf('alice --call bob --domain example.com').call, 'sip:bob@example.com')
  assert.equal(planOf('alice --call bob@example.org').call, 'sip:bob@example.org')
  assert.equal(planOf('alice --call sip:bob@example.org;transport=tcp').call, 'sip:bob@example.org;transport=tcp')
})

test('every mistake is named, an unknown option with the nearest one there is', () => {
  assert.deepEqual(
    faultsOf(() => planOf('bob --regster --frobnicate --answer')),
    [
      '--regster is no option here; did you mean --register?',
      '--frobnicate is no option here',
      '--answer: expected a value, for example --answer 2s',
      'rouse phone --help tells more',
    ],
  )
  assert.deepEqual(
    faultsOf(() => planOf('bob --register --answer soon --decline 200')),
    [
      '--answer: expected a time such as 2s or 500ms, got "soon"',
      '--decline: expected a status from 300 to 699, got "200"',
    ],
  )
})

test('what a phone cannot do together is refused', () => {
  const cases: [string, RegExp][] = [
    ['bob', /what shall it do/],
    ['bob --asleep --call alice', /a phone that sleeps calls nobody/],
    ['bob --register --answer 1s --decline 486', /--answer and --decline/],
    ['bob --register --wake 1s', /add --asleep/],
  ]
  for (const [line, fault] of cases) assert.match(faultsOf(() => planOf(line))[0] ?? '', fault, line)
})

test('options stand for settings, and go before the environment', () => {
  const args = readArguments(dev, ['app.ts', '--listen', '192.0.2.1:5060', '--domains', 'example.com'])
  const env = environment(args, { SIP_DOMAINS: 'example.org', API_TOKEN: 'kept' })
  assert.deepEqual(env, {
    SIP_LISTEN: 'udp://192.0.2.1:5060,tcp://192.0.2.1:5060',
    SIP_DOMAINS: 'example.com',
    API_TOKEN: 'kept',
    FUNCTIONS: 'app.ts',
  })
  const exact = readArguments(dev, ['--listen', 'udp://192.0.2.1:5062'])
  assert.equal(environment(exact, {}).SIP_LISTEN, 'udp://192.0.2.1:5062')
})

test('without an app, the one in FUNCTIONS; without that, app.ts of the folder when there is one', () => {
  assert.equal(withOwnApp({ FUNCTIONS: 'mine.ts' }, 'functions/examples').FUNCTIONS, 'mine.ts')
  assert.match(withOwnApp({}, 'functions/examples').FUNCTIONS ?? '', /functions\/examples\/app.ts$/)
  assert.equal(withOwnApp({}, 'functions').FUNCTIONS, undefined)
})

test('help shows every command, and every option with an example of its value', () => {
  assert.match(generalHelp([dev, phone]), /rouse dev \[app.ts\].*\n.*rouse phone <user>/)
  const help = commandHelp(phone)
  for (const option of Object.keys(phone.options)) assert.ok(help.includes(`--${option}`), option)
  assert.match(help, /--answer after 2s/)
})
