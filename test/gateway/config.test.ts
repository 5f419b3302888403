import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Config, type Environment, readConfig, supportedProviders } from '../../gateway/config.ts'

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`

function config(env: Environment): Config {
  const read = readConfig(env, 'host-1')
  if (!read.ok) assert.fail(read.problem.map(({ message }) => message).join('\n'))
  return read.value
}

/** Path of a file for TLS. */
function pem(name: string): string {
  return fileURLToPath(new URL(`../support/tls/${name}.pem`, import.meta.url))
}

function faults(env: Environment): string[] {
  const read = readConfig(env, 'host-1')
  return read.ok ? [] : read.problem.map(({ message }) => message)
}

describe('defaults', () => {
  test('an empty environment runs on loopback with the examples, memory and no token', () => {
    const { functions, ...rest } = config({})
    assert.deepEqual(functions.unsigned, { loopback: false, answers: false })
    assert.match(functions.source.kind === 'module' ? functions.source.path : '', /functions\/examples\/app\.ts$/)
    assert.deepEqual(rest, {
      sip: {
        listen: [
          { transport: 'udp', host: '127.0.0.1', port: 5060 },
          { transport: 'tcp', host: '127.0.0.1', port: 5060 },
        ],
        advertise: undefined,
        tls: undefined,
        origins: undefined,
        domains: ['127.0.0.1'],
        sessionSeconds: undefined,
      },
      http: { host: '127.0.0.1', port: 8080 },
      apiToken: undefined,
      resilience: {
        inviteBudgetMs: 2500,
        otherBudgetMs: 1500,
        maxBudgetMs: 10_000,
        concurrency: 256,
        queue: 4096,
        breakerPercent: 50,
        breakerRestMs: 1000,
        cache: 1000,
      },
      events: {
        secret: undefined,
        token: undefined,
        bodyLimit: 65_536,
        limit: { count: 1000, perMs: 1000 },
        mappings: new Map(),
        topics: [],
      },
      redisUrl: undefined,
      redisPrefix: 'rouse',
      gateway: { id: 'host-1', pool: 'default', address: undefined, drainMs: 20_000 },
      push: {
        url: undefined,
        webhookUrl: undefined,
        providers: { sns: new Map(), fcm: undefined, apns: undefined, webPush: undefined, vapidPublicKey: undefined },
        limits: { perAor: { count: 10, perMs: 60_000 }, perCaller: { count: 30, perMs: 60_000 } },
      },
      outbox: { networks: rest.outbox.networks },
      integrations: {
        ...{ amqp: undefined, freeswitch: undefined, hep: undefined, cgrates: undefined, rtpengine: undefined },
      },
      logLevel: 'info',
      notices: [],
    })
  })

  test('an empty value counts as absent', () => {
    assert.deepEqual(config({ REDIS_URL: '', API_TOKEN: ' ', LOG_LEVEL: '' }), config({}))
  })
})

describe('listeners', () => {
  test('IPv6 addresses stand in brackets and the port defaults to 5060', () => {
    assert.deepEqual(config({ SIP_LISTEN: 'udp://[::1]:5070, TCP://[2001:db8::1]' }).sip.listen, [
      { transport: 'udp', host: '::1', port: 5070 },
      { transport: 'tcp', host: '2001:db8::1', port: 5060 },
    ])
  })

  test('TLS listens on 5061, with a certificate and its key', () => {
    const files = { SIP_TLS_CERT: pem('sip-cert'), SIP_TLS_KEY: pem('sip-key') }
    const { listen, tls } = config({ SIP_LISTEN: 'tcp://127.0.0.1,tls://127.0.0.1', ...files }).sip
    assert.deepEqual(listen[1], { transport: 'tls', host: '127.0.0.1', port: 5061 })
    assert.deepEqual(tls, { cert: files.SIP_TLS_CERT, key: files.SIP_TLS_KEY, ca: undefined })
    assert.equal(config({ SIP_LISTEN: 'tls://127.0.0.1', ...files, SIP_TLS_CA: pem('cert') }).sip.tls?.ca, pem('cert'))
  })

  test('TLS without its files, files without TLS, and files that are none are told with what to do', () => {
    const listen = 'udp://127.0.0.1,tls://127.0.0.1'
    const [cert, key, ...others] = faults({ SIP_LISTEN: listen })
    assert.match(cert!, /^SIP_TLS_CERT: .*since SIP_LISTEN has a tls:\/\/ or wss:\/\/ listener/)
    assert.match(key!, /^SIP_TLS_KEY: /)
    assert.deepEqual(others, [])
    const files = { SIP_TLS_CERT: pem('sip-cert'), SIP_TLS_KEY: pem('sip-key') }
    assert.match(faults(files)[0]!, /^SIP_TLS_CERT: expected nothing, since SIP_LISTEN has no tls:\/\/ or wss/)
    const wrong = (setting: string, path: string) => faults({ SIP_LISTEN: listen, ...files, [setting]: path })
    assert.deepEqual(wrong('SIP_TLS_KEY', pem('sip-cert')), [
      `SIP_TLS_KEY: expected a private key without a passphrase in PEM, or a file with it, got "${pem('sip-cert')}"; name a file that can be read`,
    ])
    assert.match(
      wrong('SIP_TLS_CERT', '/nowhere.pem')[0]!,
      /^SIP_TLS_CERT: expected a certificate in PEM, or a file with it, got/,
    )
    const text = wrong('SIP_TLS_KEY', '-----BEGIN PRIVATE KEY-----\nsecret')[0]!
    assert.match(text, /got something else/)
    assert.doesNotMatch(text, /secret/)
  })

  test('TCP and TLS do not share a port', () => {
    const files = { SIP_TLS_CERT: pem('sip-cert'), SIP_TLS_KEY: pem('sip-key') }
    const [message] = faults({ SIP_LISTEN: 'tcp://127.0.0.1:5060,tls://127.0.0.1:5060', ...files })
    assert.match(message!, /^SIP_LISTEN: expected each listener once/)
  })

  test('gateways that share a Redis reach each other without TLS', () => {
    const files = { SIP_TLS_CERT: pem('sip-cert'), SIP_TLS_KEY: pem('sip-key') }
    const [message] = faults({ SIP_LISTEN: 'tls://127.0.0.1', REDIS_URL: 'redis://127.0.0.1', ...files })
    assert.match(message!, /^SIP_LISTEN: expected a udp:\/\/ or tcp:\/\/ listener too/)
  })

  test('WebSockets listen on the ports of the web, and may be for pages of some origins alone', () => {
    const files = { SIP_TLS_CERT: pem('sip-cert'), SIP_TLS_KEY: pem('sip-key') }
    const env = { SIP_LISTEN: 'ws://127.0.0.1,wss://127.0.0.1', ...files }
    const listen = config(env).sip.listen.map(({ transport, port }) => `${transport} ${port}`)
    assert.deepEqual(listen, ['ws 80', 'wss 443'])
    const { origins } = config({ ...env, SIP_WS_ORIGINS: 'https://Phone.example.com, http://localhost:3000' }).sip
    assert.deepEqual(origins, ['https://phone.example.com', 'http://localhost:3000'])
    assert.match(faults({ SIP_WS_ORIGINS: 'https://phone.example.com/app' })[0]!, /^SIP_WS_ORIGINS: expected origins/)
    assert.match(faults({ SIP_LISTEN: 'wss://127.0.0.1' })[0]!, /^SIP_TLS_CERT: expected PEM/)
  })

  for (const wrong of [
    '127.0.0.1:5060',
    'udp://',
    'udp://sip.example.com',
    'udp://127.0.0.1:65536',
    'udp://::1:x',
    ',',
    'udp://127.0.0.1:5060/x',
  ]) {
    test(`"${wrong}" is refused`, () => {
      const messages = faults({ SIP_LISTEN: wrong })
      assert.equal(messages.length, 1)
      assert.match(messages[0]!, /^SIP_LISTEN: expected .*, got .*; write for example/)
    })
  }

  test('a listener named twice is refused, two free ports are not', () => {
    assert.match(faults({ SIP_LISTEN: 'udp://127.0.0.1,udp://127.0.0.1:5060' })[0]!, /each listener once/)
    assert.deepEqual(faults({ SIP_LISTEN: 'udp://127.0.0.1:0,udp://127.0.0.1:0' }), [])
  })

  test('a wildcard needs SIP_ADVERTISE, since it cannot stand in a Via', () => {
    assert.match(faults({ SIP_LISTEN: 'udp://0.0.0.0:5060' })[0]!, /^SIP_ADVERTISE: expected the address/)
    assert.match(faults({ SIP_LISTEN: 'udp://[::]:5060' })[0]!, /^SIP_ADVERTISE: expected the address/)
    const { sip } = config({ SIP_LISTEN: 'udp://0.0.0.0:5060', SIP_ADVERTISE: 'SIP.example.com:5080' })
    assert.deepEqual(sip.advertise, { host: 'sip.example.com', port: 5080 })
    assert.deepEqual(sip.domains, ['sip.example.com'])
  })

  test('SIP_ADVERTISE takes names, IPv4 and IPv6 with and without port', () => {
    const advertised = (value: string) => config({ SIP_ADVERTISE: value }).sip.advertise
    assert.deepEqual(advertised('192.0.2.1'), { host: '192.0.2.1', port: undefined })
    assert.deepEqual(advertised('[2001:db8::1]:5060'), { host: '2001:db8::1', port: 5060 })
    assert.deepEqual(advertised('2001:db8::1'), { host: '2001:db8::1', port: undefined })
    for (const wrong of ['a b', '192.0.2.1:', '[::1', 'x:1:2', '300.1.1.1', 'sip:example.com']) {
      assert.match(faults({ SIP_ADVERTISE: wrong })[0] ?? '', /^SIP_ADVERTISE: expected host or host:port, got/, wrong)
    }
  })
})

describe('domains', () => {
  test('are lower case, once each, IPv6 without brackets', () => {
    assert.deepEqual(config({ SIP_DOMAINS: 'Example.com, example.com.,[2001:DB8::1]' }).sip.domains, [
      'example.com',
      '2001:db8::1',
    ])
  })

  test('a scheme or a port is refused', () => {
    for (const wrong of ['sip:example.com', 'example.com:5060', 'exa mple.com', ',']) {
      assert.match(faults({ SIP_DOMAINS: wrong })[0] ?? '', /^SIP_DOMAINS: expected/, wrong)
    }
  })
})

describe('the HTTP API', () => {
  test('beyond loopback it needs a token', () => {
    assert.match(
      faults({ HTTP_LISTEN: '0.0.0.0:8080' })[0]!,
      /^API_TOKEN: expected a token, since HTTP_LISTEN is 0\.0\.0\.0/,
    )
    assert.deepEqual(faults({ HTTP_LISTEN: '0.0.0.0:8080', API_TOKEN: 'abcdef' }), [])
    assert.match(faults({ HTTP_LISTEN: 'gw.example.com' })[0]!, /^API_TOKEN/)
  })

  test('on loopback, by whatever name, it needs none', () => {
    for (const host of ['127.0.0.1:80', '127.1.2.3', '[::1]:8080', 'localhost:0'])
      assert.deepEqual(faults({ HTTP_LISTEN: host }), [])
  })

  test('a token that cannot be sent is refused, and not shown', () => {
    const [message] = faults({ API_TOKEN: 'two words' })
    assert.match(message!, /^API_TOKEN: expected/)
    assert.doesNotMatch(message!, /two words/)
  })
})

describe('functions', () => {
  test('are a module path or an http(s) URL', () => {
    assert.deepEqual(config({ FUNCTIONS: './my/app.ts' }).functions.source, { kind: 'module', path: './my/app.ts' })
    assert.deepEqual(config({ FUNCTIONS: 'file:///srv/app.ts' }).functions.source, {
      kind: 'module',
      path: 'file:///srv/app.ts',
    })
    const url = 'https://functions.example.com/rouse?code=1'
    assert.deepEqual(config({ FUNCTIONS: url, WEBHOOK_SECRET: SECRET }).functions.source, { kind: 'url', url })
    assert.match(
      faults({ FUNCTIONS: 'ftp://x.example.com' })[0]!,
      /^FUNCTIONS: expected a module path or an http or https URL, got "ftp:/,
    )
  })

  test('a URL with a password is refused, and not shown', () => {
    for (const setting of ['FUNCTIONS', 'FUNCTIONS_FALLBACK_URL', 'PUSH_URL', 'PUSH_WEBHOOK_URL']) {
      const [message] = faults({ [setting]: 'https://user:hunter2@example.com/' })
      assert.match(message!, new RegExp(`^${setting}: expected .*without user and password`))
      assert.doesNotMatch(message!, /hunter2/)
    }
  })

  test('fallback actions are checked as an answer is, with the pointer to the fault', () => {
    const actions = [{ action: 'reply', status: 480 }]
    assert.deepEqual(config({ FUNCTIONS_FALLBACK_ACTIONS: JSON.stringify(actions) }).functions.fallbackActions, actions)
    assert.deepEqual(
      config({ FUNCTIONS_FALLBACK_ACTIONS: JSON.stringify({ actions }) }).functions.fallbackActions,
      actions,
    )
    assert.match(faults({ FUNCTIONS_FALLBACK_ACTIONS: '[{"action":"reply","status":99}]' })[0]!, /\/actions\/0\/status/)
    assert.match(faults({ FUNCTIONS_FALLBACK_ACTIONS: '[{"action":"explode"}]' })[0]!, /\/actions\/0/)
    for (const wrong of ['reply', '[]', '7', 'null']) {
      assert.match(
        faults({ FUNCTIONS_FALLBACK_ACTIONS: wrong })[0] ?? '',
        /^FUNCTIONS_FALLBACK_ACTIONS: expected/,
        wrong,
      )
    }
  })

  test('the secret is whsec_ and base64, two while rotating, and never shown', () => {
    assert.equal(config({ WEBHOOK_SECRET: `${SECRET}  ${SECRET}` }).functions.webhookSecret, `${SECRET} ${SECRET}`)
    for (const wrong of ['hunter2', 'whsec_c2hvcnQ=', `${SECRET} ${SECRET} ${SECRET}`, SECRET.slice(6)]) {
      const [message] = faults({ WEBHOOK_SECRET: wrong })
      assert.match(message!, /^WEBHOOK_SECRET: expected whsec_/)
      assert.ok(!message!.includes(wrong))
    }
  })
})

describe('signatures', () => {
  const HERE = 'http://127.0.0.1:3000'
  const AWAY = 'https://functions.example.com'

  test('a function or push function at a URL needs a secret, and the sentence says how to make one', () => {
    for (const setting of ['FUNCTIONS', 'FUNCTIONS_FALLBACK_URL', 'PUSH_URL']) {
      const [message, ...others] = faults({ [setting]: `${AWAY}/x` })
      assert.deepEqual(others, [])
      assert.match(
        message!,
        new RegExp(`^WEBHOOK_SECRET: expected a secret, since ${setting} is ${AWAY} .*openssl rand`),
      )
      assert.doesNotMatch(message!, /FUNCTIONS_UNSIGNED/)
      assert.deepEqual(faults({ [setting]: `${AWAY}/x`, WEBHOOK_SECRET: SECRET }), [])
    }
  })

  test('FUNCTIONS_UNSIGNED=loopback does without on this machine, and nowhere else', () => {
    assert.match(faults({ FUNCTIONS: HERE })[0]!, /or set FUNCTIONS_UNSIGNED=loopback on both sides$/)
    for (const url of [HERE, 'http://localhost:3000', 'http://[::1]:3000', 'https://127.0.0.1']) {
      assert.deepEqual(faults({ FUNCTIONS: url, FUNCTIONS_UNSIGNED: 'loopback' }), [], url)
    }
    for (const url of [AWAY, 'http://192.0.2.1:3000', 'http://localhost.example.com', 'http://127.0.0.1.example.com']) {
      assert.match(faults({ FUNCTIONS: url, FUNCTIONS_UNSIGNED: 'loopback' })[0] ?? '', /^WEBHOOK_SECRET/, url)
    }
  })

  test('FUNCTIONS_UNSIGNED=answers is for https, where the certificate says who answers', () => {
    const env = { FUNCTIONS_UNSIGNED: 'answers', WEBHOOK_SECRET: SECRET }
    assert.deepEqual(config({ ...env, FUNCTIONS: AWAY }).functions.unsigned, { loopback: false, answers: true })
    assert.match(
      faults({ ...env, FUNCTIONS: 'http://192.0.2.1' })[0]!,
      /^FUNCTIONS_UNSIGNED: .*over https, but FUNCTIONS is/,
    )
    assert.match(faults({ FUNCTIONS: AWAY, FUNCTIONS_UNSIGNED: 'answers' })[0]!, /^WEBHOOK_SECRET/)
    assert.match(faults({ FUNCTIONS_UNSIGNED: 'yes' })[0]!, /^FUNCTIONS_UNSIGNED: expected loopback, answers/)
  })

  test('a secret that cannot be read is one fault, not two', () => {
    assert.equal(faults({ FUNCTIONS: AWAY, WEBHOOK_SECRET: 'hunter2' }).length, 1)
  })

  test('EVENTS_SECRET is WEBHOOK_SECRET unless it is set', () => {
    const other = `whsec_${Buffer.alloc(32, 8).toString('base64')}`
    assert.equal(config({ WEBHOOK_SECRET: SECRET }).events.secret, SECRET)
    assert.equal(config({ WEBHOOK_SECRET: SECRET, EVENTS_SECRET: other }).events.secret, other)
  })
})

describe('REDIS_URL', () => {
  test('names one server, a cluster or sentinels; none means memory', () => {
    assert.equal(config({}).redisUrl, undefined)
    for (const url of [
      'redis://127.0.0.1',
      'rediss://me:hush@db:6380/1',
      'redis+cluster://a:1,b:2',
      'redis+sentinel://a,b/main',
    ])
      assert.equal(config({ REDIS_URL: url }).redisUrl, url)
  })

  test('is not repeated when it is wrong: it may hold a password', () => {
    for (const wrong of ['127.0.0.1:6399', 'http://me:hush@db', 'redis+other://db']) {
      const [message] = faults({ REDIS_URL: wrong })
      assert.match(message!, /^REDIS_URL: expected redis:\/\/.*; write for example redis:/)
      assert.ok(!message!.includes(wrong))
    }
  })

  test('REDIS_PREFIX is a name, so that no key ends up in another slot', () => {
    assert.equal(config({ REDIS_PREFIX: 'staging.2' }).redisPrefix, 'staging.2')
    assert.match(faults({ REDIS_PREFIX: '{a}' })[0]!, /^REDIS_PREFIX: expected 1 to 64 letters/)
  })

  test('the store of functions without that of the router is noticed', () => {
    const upstash = { UPSTASH_REDIS_REST_URL: 'https://x.upstash.io' }
    assert.match(config(upstash).notices[0]!, /^UPSTASH_REDIS_REST_URL is set, but REDIS_URL is not: .*set both or/)
    assert.deepEqual(config({ ...upstash, REDIS_URL: 'redis://127.0.0.1:6379' }).notices, [])
  })
})

describe('other systems', () => {
  test('AMQP_URL names a broker, whose password is not repeated, and which is reached by TLS unless it is near', () => {
    const env = { AMQP_URL: 'amqps://rouse:top%20secret@a,b:5673/my%2Fhost', AMQP_PUBLISH: 'call.*, cdr.created' }
    const { broker, publish, exchange, queue } = config(env).integrations.amqp!
    assert.deepEqual(broker, {
      ...{ isTls: true, user: { name: 'rouse', password: 'top secret' }, vhost: 'my/host' },
      servers: [
        { host: 'a', port: 5671 },
        { host: 'b', port: 5673 },
      ],
    })
    assert.deepEqual([publish, exchange, queue], [['call.*', 'cdr.created'], 'rouse.events', undefined])
    assert.equal(config({ AMQP_URL: 'amqp://localhost' }).integrations.amqp!.broker.isTls, false)
    assert.match(faults({ AMQP_URL: 'amqp://rabbit' })[0]!, /^AMQP_URL: expected amqps:.*AMQP_PLAIN=allowed/)
    assert.equal(config({ AMQP_URL: 'amqp://rabbit', AMQP_PLAIN: 'allowed' }).integrations.amqp!.broker.isTls, false)
    for (const url of [
      'http://topsecret@x',
      'amqp://a:topsecret@',
      'amqp://a:topsecret@x/y?z',
      'amqp://a:topsecret%@x',
    ])
      assert.doesNotMatch(faults({ AMQP_URL: url }).join(), /topsecret/)
    assert.match(faults({ AMQP_PUBLISH: 'call.*' })[0]!, /^AMQP_URL: expected a value, since AMQP_PUBLISH is set/)
    assert.match(faults({ ...env, AMQP_PUBLISH: 'a b' })[0]!, /^AMQP_PUBLISH: expected types of events/)
    assert.match(faults({ ...env, AMQP_QUEUE: 'amq.x' })[0]!, /^AMQP_QUEUE: /)
    assert.match(
      faults({ ...env, AMQP_CERT: pem('sip-cert') })[0]!,
      /^AMQP_KEY: expected a value, since AMQP_CERT is set/,
    )
    assert.match(
      faults({ ...env, AMQP_CERT: pem('sip-cert'), AMQP_KEY: pem('key') })[0]!,
      /^AMQP_KEY: expected the key of/,
    )
    assert.match(faults({ ...env, AMQP_CA: pem('sip-key') })[0]!, /^AMQP_CA: /)
  })

  test('FREESWITCH_ESL_URL names event sockets, and their passwords are not repeated', () => {
    const urls = 'esl://:Clue%20Con@127.0.0.1,esl://rouse%40example.com:pw@[::1]:8022?format=plain'
    const env = { FREESWITCH_ESL_URL: urls, FREESWITCH_EVENTS: 'DTMF CUSTOM a::b', FREESWITCH_ATTRIBUTES: 'x, y' }
    assert.deepEqual(config(env).integrations.freeswitch, {
      servers: [
        { host: '127.0.0.1', port: 8021, user: undefined, password: 'Clue Con', format: 'json' },
        { host: '::1', port: 8022, user: 'rouse@example.com', password: 'pw', format: 'plain' },
      ],
      ...{ events: ['DTMF'], subclasses: ['a::b'], attributes: ['x', 'y'] },
    })
    for (const url of [
      'esl://127.0.0.1',
      'tcp://:topsecret@host',
      'esl://a:topsecret@host',
      'esl://:top%0asecret@host',
      'esl://:topsecret@host?format=xml',
      'esl://:topsecret@host#x',
    ]) {
      const [message] = faults({ FREESWITCH_ESL_URL: url })
      assert.match(message!, /^FREESWITCH_ESL_URL: expected esl:/)
      assert.doesNotMatch(message!, /secret/)
    }
    for (const events of ['dtmf', 'ALL', 'DTMF CUSTOM', 'DTMF CUSTOM a b;c', 'CUSTOM a::b CHANNEL_ANSWER'])
      assert.match(faults({ ...env, FREESWITCH_EVENTS: events })[0]!, /^FREESWITCH_EVENTS: /)
    assert.match(faults({ FREESWITCH_EVENTS: 'DTMF' })[0]!, /^FREESWITCH_ESL_URL: .* since FREESWITCH_EVENTS is set/)
  })

  test('SUBSCRIPTION_NETWORKS are networks and addresses', () => {
    const { networks } = config({ SUBSCRIPTION_NETWORKS: '10.0.0.0/8, 127.0.0.1,fd00::/8' }).outbox
    assert.deepEqual(['10.1.2.3', '127.0.0.1', 'fd00::1', '127.0.0.2', '11.0.0.1', 'fe80::1', 'x'].map(networks.has), [
      true,
      true,
      true,
      false,
      false,
      false,
      false,
    ])
    assert.equal(config({}).outbox.networks.isEmpty, true)
    for (const wrong of ['localhost', '10.0.0.0/33', '10.0.0.0/8/8', '10.0.0.0/'])
      assert.match(
        faults({ SUBSCRIPTION_NETWORKS: wrong })[0]!,
        /^SUBSCRIPTION_NETWORKS: expected networks or addresses/,
      )
  })

  test('HEP_URL names the way, the collector and, if it is not 9060, the port; without it HEP is off', () => {
    const url = (text: string) => config({ HEP_URL: text }).integrations.hep?.url
    assert.equal(config({ HEP_AUTH_KEY: 'k' }).integrations.hep, undefined)
    assert.deepEqual(url('udp://homer.example.com'), { transport: 'udp', host: 'homer.example.com', port: 9060 })
    assert.deepEqual(url('TCP://[2001:DB8::1]:9061/'), { transport: 'tcp', host: '2001:db8::1', port: 9061 })
    assert.deepEqual(url('tls://192.0.2.1:9062'), { transport: 'tls', host: '192.0.2.1', port: 9062 })
    for (const wrong of ['homer:9060', 'http://homer', 'udp://', 'udp://homer:0', 'udp://homer:9060/x', 'udp://a b'])
      assert.match(faults({ HEP_URL: wrong })[0]!, /^HEP_URL: expected udp:\/\/, tcp:\/\/ or tls:\/\//, wrong)
  })

  test('the other settings of HEP have defaults, and limits; the node is the gateway unless it is said', () => {
    const set = { HEP_URL: 'udp://homer' }
    const { url: _, ...rest } = config(set).integrations.hep!
    assert.deepEqual(rest, { agentId: 2001, authKey: undefined, node: 'host-1', maxBytes: 8192 })
    assert.equal(config({ ...set, HEP_AGENT_ID: '4294967295' }).integrations.hep?.agentId, 4294967295)
    assert.match(faults({ ...set, HEP_AGENT_ID: '4294967296' })[0]!, /^HEP_AGENT_ID: .*0 to 4294967295/)
    assert.match(faults({ ...set, HEP_NODE: 'a b' })[0]!, /^HEP_NODE: /)
    assert.match(faults({ ...set, HEP_MAX_BYTES: '100' })[0]!, /^HEP_MAX_BYTES: .*1024 to 65507/)
  })

  test('no secret of HEP is told, wherever somebody has put it', () => {
    assert.doesNotMatch(faults({ HEP_URL: 'udp://homer', HEP_AUTH_KEY: 'my secret' })[0]!, /my secret/)
    assert.doesNotMatch(faults({ HEP_URL: 'udp://agent:secret@homer' })[0]!, /secret@/)
  })
})

test('misspelt names are noticed', () => {
  assert.deepEqual(config({ SIP_DOMAIN: 'example.com', PATH: '/bin' }).notices, [
    'SIP_DOMAIN is not a setting of this router; did you mean SIP_DOMAINS?',
  ])
})

test('all mistakes are reported together, one sentence each that names the setting', () => {
  const messages = faults({
    SIP_LISTEN: 'udp://nowhere:5060',
    SIP_DOMAINS: 'sip:x',
    HTTP_LISTEN: '0.0.0.0:99999',
    FUNCTIONS: 'ftp://x',
    GATEWAY_ID: 'a b',
    PUSH_URL: 'nonsense',
    LOG_LEVEL: 'loud',
    REDIS_URL: 'http://x',
  })
  const names = messages.map((message) => message.split(':')[0])
  assert.deepEqual(names, [
    'SIP_LISTEN',
    'GATEWAY_ID',
    'SIP_DOMAINS',
    'HTTP_LISTEN',
    'FUNCTIONS',
    'REDIS_URL',
    'PUSH_URL',
    'LOG_LEVEL',
  ])
  for (const message of messages) assert.match(message, /^[A-Z_]+: expected .+, got .+; .+/)
})

test('control characters of a value are not repeated in the sentence', () => {
  assert.doesNotMatch(faults({ LOG_LEVEL: 'a\u001b[2Jb' })[0]!, /\u001b/)
})

describe('several gateways', () => {
  const shared = { REDIS_URL: 'redis://127.0.0.1:6379', SIP_ADVERTISE: 'sip.example.com' }

  test('one that listens on every address says where the others reach it', () => {
    const wildcard = { ...shared, SIP_LISTEN: 'udp://0.0.0.0:5060' }
    const [message, ...others] = faults(wildcard)
    assert.deepEqual(others, [])
    assert.match(message!, /^GATEWAY_ADDRESS: expected the IP address .* Set it .* for example 10\.0\.0\.1$/)
    assert.equal(config({ ...wildcard, GATEWAY_ADDRESS: '10.0.0.1' }).gateway.address, '10.0.0.1')
    assert.deepEqual(faults({ SIP_LISTEN: 'udp://0.0.0.0:5060', SIP_ADVERTISE: 'sip.example.com' }), [])
  })

  test('the address is that of one machine', () => {
    assert.equal(config({ ...shared, GATEWAY_ADDRESS: '[2001:DB8::1]' }).gateway.address, '2001:db8::1')
    for (const wrong of ['gateway-1', '0.0.0.0', '::', '10.0.0.1:5060'])
      assert.match(
        faults({ ...shared, GATEWAY_ADDRESS: wrong })[0]!,
        /^GATEWAY_ADDRESS: .*write for example 10\.0\.0\.1/,
      )
  })

  test('sessions are asked for a refresh within a minute and a half to a day', () => {
    assert.equal(config({}).sip.sessionSeconds, undefined)
    assert.equal(config({ SESSION_EXPIRES: '30m' }).sip.sessionSeconds, 1800)
    for (const right of ['90s', '24h']) config({ SESSION_EXPIRES: right })
    for (const wrong of ['89s', '25h', '1800', 'off'])
      assert.match(faults({ SESSION_EXPIRES: wrong })[0]!, /^SESSION_EXPIRES: .*write for example 30m/)
  })

  test('a stop waits for up to an hour', () => {
    assert.equal(config({ DRAIN_SECONDS: '0' }).gateway.drainMs, 0)
    assert.equal(config({ DRAIN_SECONDS: '3600' }).gateway.drainMs, 3_600_000)
    for (const wrong of ['3601', '-1', '1.5', '20s'])
      assert.match(faults({ DRAIN_SECONDS: wrong })[0]!, /^DRAIN_SECONDS: .*write for example 20/)
  })
})

describe('pushes', () => {
  const FCM = {
    FCM_SERVICE_ACCOUNT: JSON.stringify({
      project_id: 'p-1',
      client_email: 'a@p-1.test',
      private_key: '-----BEGIN PRIVATE KEY-----',
    }),
  }

  test('what phones may register for is what there is a provider for', () => {
    assert.deepEqual(supportedProviders(config(FCM)), ['fcm'])
  })

  test('they may register for anything where a webhook or a push function takes it, or the console', () => {
    assert.equal(supportedProviders(config({})), '*')
    assert.equal(supportedProviders(config({ ...FCM, PUSH_WEBHOOK_URL: 'https://push.example.com/hook' })), '*')
    const away = { PUSH_URL: 'https://push.example.com/push', WEBHOOK_SECRET: `whsec_${'a'.repeat(44)}` }
    assert.equal(supportedProviders(config(away)), '*')
  })

  test('mistakes are told with those in other settings, and no key with them', () => {
    const messages = faults({ FCM_SERVICE_ACCOUNT: '{"private_key":"secret"}', APNS_KEY: 'secret', LOG_LEVEL: 'loud' })
    const names = messages.map((message) => message.split(':')[0])
    assert.deepEqual(names.sort(), ['APNS_KEY', 'APNS_KEY_ID', 'APNS_TEAM_ID', 'FCM_SERVICE_ACCOUNT', 'LOG_LEVEL'])
    assert.doesNotMatch(messages.join(), /secret/)
  })

  test('what is set for a push function at PUSH_URL is noticed, but for the key that phones need', () => {
    const VAPID_PUBLIC_KEY = `B${'A'.repeat(86)}`
    const away = { PUSH_URL: 'https://push.example.com/push', WEBHOOK_SECRET: `whsec_${'a'.repeat(44)}` }
    const { push, notices } = config({ ...FCM, ...away, VAPID_PUBLIC_KEY })
    assert.deepEqual(notices, [
      'FCM_SERVICE_ACCOUNT is set, and so is PUSH_URL: pushes go there, and it is for that function',
    ])
    assert.equal(push.providers.vapidPublicKey, VAPID_PUBLIC_KEY)
  })

  test('misspelt names are noticed', () => {
    assert.deepEqual(config({ FCM_SERVICE_ACOUNT: '{}' }).notices, [
      'FCM_SERVICE_ACOUNT is not a setting of this router; did you mean FCM_SERVICE_ACCOUNT?',
    ])
  })
})

describe('functions that fail', () => {
  test('times have their unit, limits are numbers, the breaker is a share or off', () => {
    const { resilience } = config({
      FUNCTIONS_BUDGET_INVITE: '4s',
      FUNCTIONS_BUDGET_OTHERS: '800ms',
      FUNCTIONS_BUDGET_MAX: '4s',
      FUNCTIONS_CONCURRENCY: '1',
      FUNCTIONS_QUEUE: '0',
      FUNCTIONS_BREAKER: 'off',
      FUNCTIONS_BREAKER_REST: '0.5s',
      FUNCTIONS_CACHE: '0',
    })
    assert.deepEqual(resilience, {
      inviteBudgetMs: 4000,
      otherBudgetMs: 800,
      maxBudgetMs: 4000,
      concurrency: 1,
      queue: 0,
      breakerPercent: undefined,
      breakerRestMs: 500,
      cache: 0,
    })
  })

  const wrong: [string, string[], RegExp][] = [
    ['FUNCTIONS_BUDGET_INVITE', ['2500', '99ms', '31s', 'soon'], /a time from 100ms to 30s, got .*; write for example/],
    ['FUNCTIONS_CONCURRENCY', ['0', '65537', '1.5', '-1'], /a number from 1 to 65536, got .*; write for example 256$/],
    [
      'FUNCTIONS_BREAKER',
      ['50', '0%', '101%', 'on'],
      /a share from 5% to 100%, or off, got .*; write for example 50%$/,
    ],
  ]
  for (const [setting, values, message] of wrong)
    test(`${setting}: what is out of range is refused with the range and an example`, () => {
      for (const value of values) {
        const messages = faults({ [setting]: value })
        assert.equal(messages.length, 1, value)
        assert.match(messages[0]!, message)
        assert.ok(messages[0]!.startsWith(`${setting}: `))
      }
    })

  test('no route may be allowed less than its method has without asking', () => {
    const [message, ...others] = faults({ FUNCTIONS_BUDGET_MAX: '2s' })
    assert.deepEqual(others, [])
    assert.match(
      message!,
      /^FUNCTIONS_BUDGET_MAX: expected at least 2500 ms, since FUNCTIONS_BUDGET_INVITE is that, got/,
    )
    assert.match(message!, /; raise it, or lower FUNCTIONS_BUDGET_INVITE \(default 2\.5s\)$/)
    const swapped = faults({ FUNCTIONS_BUDGET_INVITE: '1s', FUNCTIONS_BUDGET_MAX: '1.2s' })
    assert.match(swapped[0]!, /since FUNCTIONS_BUDGET_OTHERS is that/)
  })
})
