import { createSecureContext } from 'node:tls'
import { reasonOf } from '../../functions/contract/reason.ts'
import type { Reader } from '../../functions/contract/settings.ts'
import { isLoopback } from '../config-values.ts'
import {
  type BrokerUrl,
  brokerUrlSetting,
  entitySetting,
  patternsSetting,
  pemSetting,
  plainSetting,
} from './settings-values.ts'

/** How the gateway meets RabbitMQ. */
export interface AmqpSettings {
  /** `AMQP_URL`; holds a password. */
  broker: BrokerUrl
  /** `AMQP_CA`, `AMQP_CERT`, `AMQP_KEY`: PEM texts; without a CA those that the system trusts. */
  tls: { ca: string | undefined; cert: string | undefined; key: string | undefined }
  /** `AMQP_EXCHANGE`, default `rouse.events`. */
  exchange: string
  /** `AMQP_PUBLISH`, patterns of the events that go to the exchange; default none. */
  publish: readonly string[]
  /** `AMQP_QUEUE`, whose messages are raised as events; default none. */
  queue: string | undefined
}

/** Every setting that is read here. */
export const AMQP_SETTINGS = [
  'AMQP_URL',
  'AMQP_EXCHANGE',
  'AMQP_PUBLISH',
  'AMQP_QUEUE',
  'AMQP_CA',
  'AMQP_CERT',
  'AMQP_KEY',
  'AMQP_PLAIN',
] as const

/**
 * Mistakes go to the reader, each with its setting and remedy.
 * @param readFile the text of a file, undefined when it cannot be read
 * @returns undefined without `AMQP_URL`
 */
export function amqpSettings(read: Reader, readFile: (path: string) => string | undefined): AmqpSettings | undefined {
  const broker = read.value('AMQP_URL', brokerUrlSetting)
  const certificate = /-----BEGIN (TRUSTED )?CERTIFICATE-----/
  const tls = {
    ca: read.value('AMQP_CA', pemSetting(certificate, 'certificates', readFile)),
    cert: read.value('AMQP_CERT', pemSetting(certificate, 'a certificate', readFile)),
    key: read.value('AMQP_KEY', pemSetting(/-----BEGIN [A-Z ]*PRIVATE KEY-----/, 'a private key', readFile)),
  }
  const exchange = read.value('AMQP_EXCHANGE', entitySetting('rouse.events'), 'rouse.events') ?? ''
  const publish = read.value('AMQP_PUBLISH', patternsSetting) ?? []
  const queue = read.value('AMQP_QUEUE', entitySetting('rouse.in'))
  const isPlainAllowed = read.value('AMQP_PLAIN', plainSetting) ?? false
  if (!read.has('AMQP_URL')) {
    for (const setting of AMQP_SETTINGS) if (read.has(setting)) needs(read, 'AMQP_URL', setting)
  }
  if (read.has('AMQP_CERT')) needs(read, 'AMQP_KEY', 'AMQP_CERT')
  if (read.has('AMQP_KEY')) needs(read, 'AMQP_CERT', 'AMQP_KEY')
  fitting(read, tls)
  if (!broker) return undefined
  encrypted(read, broker, isPlainAllowed)
  return { broker, tls, exchange, publish, queue }
}

function needs(read: Reader, missing: (typeof AMQP_SETTINGS)[number], since: string): void {
  if (read.has(missing) || read.faults.some(({ setting }) => setting === missing)) return
  const message = `${missing}: expected a value, since ${since} is set; got nothing. Set it, or take ${since} out`
  read.faults.push({ setting: missing, message })
}

/** OpenSSL says now what it would say at every connection. */
function fitting(read: Reader, { ca, cert, key }: AmqpSettings['tls']): void {
  const broken = { AMQP_CA: { ca }, AMQP_CERT: { cert }, AMQP_KEY: { cert, key } }
  for (const [setting, options] of Object.entries(broken)) {
    try {
      createSecureContext(options)
    } catch (error) {
      const what = setting === 'AMQP_KEY' ? 'the key of AMQP_CERT, without a passphrase' : 'certificates'
      const reason = reasonOf(error)
      const message = `${setting}: expected ${what}, got what TLS cannot use (${reason}); name the right file`
      read.faults.push({ setting, message })
      return
    }
  }
}

/** Passwords and events in clear text only where nobody else can listen, or where somebody has said that it is so. */
function encrypted(read: Reader, { isTls, servers }: BrokerUrl, isPlainAllowed: boolean): void {
  const isLocal = servers.every(({ host }) => isLoopback(host))
  if (!isTls && !isLocal && !isPlainAllowed) {
    const message =
      'AMQP_URL: expected amqps://, since others can listen to what goes to another machine; got amqp://. Use TLS, or set AMQP_PLAIN=allowed where the network itself is private'
    read.faults.push({ setting: 'AMQP_URL', message })
  }
  for (const setting of ['AMQP_CA', 'AMQP_CERT', 'AMQP_KEY']) {
    if (isTls || !read.has(setting)) continue
    const message = `${setting}: expected nothing, since AMQP_URL is amqp:// and so without TLS; got a value. Write amqps://, or take it out`
    read.faults.push({ setting, message })
  }
}
