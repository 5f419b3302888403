import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Reader } from '../../../functions/contract/settings.ts'
import { providerNames, pushSettings } from '../../../functions/push/settings.ts'
import { ecKeys, rsaKeys } from './pushes.ts'

const { pem: rsa } = rsaKeys()
const { pem: ec, raw } = ecKeys()
const ARN = 'arn:aws:sns:eu-west-1:123456789012:app'
const ACCOUNT = { type: 'service_account', project_id: 'p-1', client_email: 'a@p-1.test', private_key: rsa }
const APNS = { APNS_KEY: ec, APNS_KEY_ID: 'ABC123DEFG', APNS_TEAM_ID: 'DEF123GHIJ' }
const VAPID = {
  VAPID_PUBLIC_KEY: raw.publicKey,
  VAPID_PRIVATE_KEY: raw.privateKey,
  VAPID_SUBJECT: 'mailto:operator@example.com',
}

const FILES: Record<string, string> = {
  '/etc/rouse/fcm.json': JSON.stringify(ACCOUNT),
  '/etc/rouse/fcm-2.json': JSON.stringify({ ...ACCOUNT, project_id: 'p-2' }),
  '/etc/rouse/apns.p8': ec,
}
const readFile = (path: string) => FILES[path]

function read(env: Record<string, string>, files: typeof readFile | undefined = readFile) {
  const reader = new Reader(env)
  return { settings: pushSettings(reader, files), faults: reader.faults.map(({ message }) => message) }
}

function settings(env: Record<string, string>, files?: typeof readFile) {
  const { settings, faults } = read(env, files)
  assert.deepEqual(faults, [])
  return settings
}

function fault(env: Record<string, string>): string {
  const { faults } = read(env)
  assert.equal(faults.length, 1, faults.join('\n'))
  for (const secret of [rsa, ec, raw.privateKey]) assert.ok(!faults[0]!.includes(secret.slice(30, 60)))
  return faults[0]!
}

test('nothing set is nothing', () => {
  assert.deepEqual(settings({}), {
    sns: new Map(),
    fcm: undefined,
    apns: undefined,
    webPush: undefined,
    vapidPublicKey: undefined,
  })
  assert.deepEqual(providerNames(settings({})), [])
})

test('what is set is what pn-provider may be', () => {
  const env = { SNS_PLATFORM_APPLICATIONS: `android=${ARN}/GCM/a`, FCM_SERVICE_ACCOUNT: '/etc/rouse/fcm.json', ...APNS }
  assert.deepEqual(providerNames(settings({ ...env, ...VAPID })), ['android', 'fcm', 'apns', 'apns.dev', 'webpush'])
})

describe('SNS_PLATFORM_APPLICATIONS', () => {
  const of = (value: string) => {
    const { sns } = settings({ SNS_PLATFORM_APPLICATIONS: value })
    return [...sns].map(([name, applications]) => [name, ...applications.map(({ platform }) => platform)].join(' '))
  }

  test('an application for each pn-provider; that for VoIP is named .voip, or a second time', () => {
    const apple = `apns=${ARN}/APNS/a`
    assert.deepEqual(of(`fcm=${ARN}/GCM/a, ${apple},apns.voip=${ARN}/APNS_VOIP/a`), ['fcm GCM', 'apns APNS APNS_VOIP'])
    assert.deepEqual(of(`${apple},apns=${ARN}/APNS_VOIP/a`), ['apns APNS APNS_VOIP'])
    assert.deepEqual(of(`apns.voip=${ARN}/APNS_VOIP/a`), ['apns APNS_VOIP'])
    assert.deepEqual(of(`apns.dev=${ARN}/APNS_SANDBOX/a`), ['apns.dev APNS_SANDBOX'])
  })

  test('what is none, or one too many, is refused with what was meant', () => {
    for (const [value, expected] of [
      ['fcm', /expected pn-provider=ARN .*got "fcm"; write for example fcm=arn:/],
      [`fcm=${ARN}/ADM/a`, /of GCM, APNS, APNS_SANDBOX, APNS_VOIP, APNS_VOIP_SANDBOX, got "fcm=/],
      [
        `fcm=${ARN}/GCM/a,fcm=${ARN}/GCM/b`,
        /expected one application for a pn-provider.*take out one of those for fcm/,
      ],
      [`apns=${ARN}/APNS/a,apns.voip=${ARN}/APNS_VOIP_SANDBOX/a`, /expected one application/],
      [',', /expected an application/],
    ] as const)
      assert.match(fault({ SNS_PLATFORM_APPLICATIONS: value }), expected)
  })

  test('a pn-provider has one way', () => {
    const SNS_PLATFORM_APPLICATIONS = `fcm=${ARN}/GCM/a`
    const message = fault({ SNS_PLATFORM_APPLICATIONS, FCM_SERVICE_ACCOUNT: JSON.stringify(ACCOUNT) })
    assert.match(message, /^SNS_PLATFORM_APPLICATIONS: .*fcm has FCM_SERVICE_ACCOUNT too; take one of the two out$/)
  })
})

describe('FCM_SERVICE_ACCOUNT', () => {
  const projects = (value: string) =>
    settings({ FCM_SERVICE_ACCOUNT: value }).fcm!.accounts.map(({ project_id }) => project_id)

  test('JSON, a list, base64 of either, or files', () => {
    const json = JSON.stringify(ACCOUNT)
    const two = JSON.stringify([ACCOUNT, { ...ACCOUNT, project_id: 'p-2' }])
    assert.deepEqual(projects(json), ['p-1'])
    assert.deepEqual(projects(two), ['p-1', 'p-2'])
    assert.deepEqual(projects(Buffer.from(json).toString('base64')), ['p-1'])
    assert.deepEqual(projects(Buffer.from(two).toString('base64url')), ['p-1', 'p-2'])
    assert.deepEqual(projects('/etc/rouse/fcm.json'), ['p-1'])
    assert.deepEqual(projects('/etc/rouse/fcm.json, /etc/rouse/fcm-2.json'), ['p-1', 'p-2'])
  })

  test('the tokens are asked for where the account says, else at Google', () => {
    const { fcm } = settings({ FCM_SERVICE_ACCOUNT: JSON.stringify(ACCOUNT), FCM_ENDPOINT: 'http://127.0.0.1:9000' })
    assert.equal(fcm!.accounts[0]!.token_uri, 'https://oauth2.googleapis.com/token')
    assert.equal(fcm!.endpoint, 'http://127.0.0.1:9000/')
  })

  test('what is none is refused without a word of it', () => {
    for (const value of [
      '/no/such/file',
      '{',
      'null',
      '{"project_id":"p"}',
      JSON.stringify({ ...ACCOUNT, private_key: 'x' }),
    ])
      assert.match(
        fault({ FCM_SERVICE_ACCOUNT: value }),
        /^FCM_SERVICE_ACCOUNT: expected .*got something else \(\d+ char.*Firebase console/,
      )
    const { faults } = read({ FCM_SERVICE_ACCOUNT: '/etc/rouse/fcm.json' }, undefined)
    assert.match(read({ FCM_SERVICE_ACCOUNT: '/x' }).faults[0]!, /or a file with it/)
    assert.deepEqual(faults, [])
  })

  test('where there are no files a path is nothing', () => {
    const reader = new Reader({ FCM_SERVICE_ACCOUNT: '/etc/rouse/fcm.json' })
    pushSettings(reader)
    assert.match(reader.faults[0]!.message, /expected the JSON of a service account, got/)
  })
})

describe('APNS_KEY', () => {
  test('PEM, with its lines apart or not, base64 of it, or a file', () => {
    for (const APNS_KEY of [ec, ec.replaceAll('\n', '\\n'), Buffer.from(ec).toString('base64'), '/etc/rouse/apns.p8'])
      assert.equal(settings({ ...APNS, APNS_KEY }).apns!.key.trim(), ec.trim())
  })

  test('production unless the environment is said to be the sandbox', () => {
    assert.equal(settings(APNS).apns!.isSandbox, false)
    assert.equal(settings({ ...APNS, APNS_ENVIRONMENT: 'sandbox' }).apns!.isSandbox, true)
    assert.match(
      fault({ ...APNS, APNS_ENVIRONMENT: 'dev' }),
      /^APNS_ENVIRONMENT: expected production or sandbox, got "dev"/,
    )
  })

  test('goes with the ids of key and team: what is missing is told, each once', () => {
    assert.deepEqual(read({ APNS_KEY: ec }).faults, [
      'APNS_KEY_ID: expected a value, since APNS_KEY is set; got nothing. Set it, or take APNS_KEY out',
      'APNS_TEAM_ID: expected a value, since APNS_KEY is set; got nothing. Set it, or take APNS_KEY out',
    ])
    assert.match(
      fault({ APNS_KEY_ID: 'ABC123DEFG', APNS_TEAM_ID: 'DEF123GHIJ' }),
      /^APNS_KEY: expected a value, since APNS_KEY_ID is set/,
    )
    assert.match(fault({ ...APNS, APNS_KEY_ID: 'x' }), /^APNS_KEY_ID: expected ten letters and digits, got "x"/)
    assert.match(
      fault({ ...APNS, APNS_KEY: 'secret' }),
      /^APNS_KEY: expected a private key in PEM, .*got something else \(6 characters\); take the \.p8/,
    )
  })
})

describe('VAPID', () => {
  test('both keys and a subject; the hosts are those of browsers unless they are set', () => {
    const { vapid, hosts } = settings(VAPID).webPush!
    assert.deepEqual(vapid, { ...raw, subject: 'mailto:operator@example.com' })
    assert.equal(hosts, undefined)
    const WEBPUSH_HOSTS = 'Push.example.com:8443, *.push.apple.com'
    assert.deepEqual(settings({ ...VAPID, WEBPUSH_HOSTS }).webPush!.hosts, [
      'push.example.com:8443',
      '*.push.apple.com',
    ])
  })

  test('the public key alone is enough where a push function has the other', () => {
    const { VAPID_PUBLIC_KEY } = VAPID
    const { webPush, vapidPublicKey } = settings({ PUSH_URL: 'https://push.example.com/push', VAPID_PUBLIC_KEY })
    assert.deepEqual([webPush, vapidPublicKey], [undefined, raw.publicKey])
    assert.match(fault({ VAPID_PUBLIC_KEY }), /^VAPID_PRIVATE_KEY: expected a value, since VAPID_PUBLIC_KEY is set/)
  })

  test('what is wrong or missing is told with its remedy', () => {
    assert.match(
      fault({ ...VAPID, VAPID_PUBLIC_KEY: raw.privateKey }),
      /^VAPID_PUBLIC_KEY: expected a public key of P-256/,
    )
    assert.match(
      fault({ ...VAPID, VAPID_PRIVATE_KEY: raw.publicKey }),
      /^VAPID_PRIVATE_KEY: .*\(87 characters\); make both with/,
    )
    assert.match(fault({ ...VAPID, VAPID_SUBJECT: 'operator' }), /^VAPID_SUBJECT: expected a mailto: or https: address/)
    assert.match(fault({ ...VAPID, WEBPUSH_HOSTS: 'https://x' }), /^WEBPUSH_HOSTS: expected hosts .*got "https:\/\/x"/)
    const { VAPID_SUBJECT: _, ...without } = VAPID
    assert.match(fault(without), /^VAPID_SUBJECT: expected a value, since VAPID_PRIVATE_KEY is set/)
  })
})

test('all mistakes are told together', () => {
  const { faults } = read({
    SNS_PLATFORM_APPLICATIONS: 'x',
    FCM_SERVICE_ACCOUNT: 'x',
    APNS_KEY: 'x',
    VAPID_SUBJECT: 'x',
  })
  assert.deepEqual(
    faults.map((message) => message.split(':')[0]),
    [
      'SNS_PLATFORM_APPLICATIONS',
      'FCM_SERVICE_ACCOUNT',
      'APNS_KEY',
      'APNS_KEY_ID',
      'APNS_TEAM_ID',
      'VAPID_SUBJECT',
      'VAPID_PRIVATE_KEY',
    ],
  )
})
