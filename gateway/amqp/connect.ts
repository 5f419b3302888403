import { type ChannelModel, connect, credentials } from 'amqplib'
import type { AmqpSettings } from './settings.ts'

/** What a connection is for: each has one of its own, since a broker that is short of memory takes nothing more from who publishes. */
export type Direction = 'out' | 'in'

/** Connects to the server of this number (modulo how many there are). */
export type Connect = (direction: Direction, number: number) => Promise<ChannelModel>

/** Both sides say something at least this often, and take the other for dead when it was silent for two to three times as long. Seconds. */
const HEARTBEAT_SECONDS = 10
/** A server that says nothing for so long while a connection is being made has none. Milliseconds. */
const CONNECT_TIMEOUT_MS = 10_000

/**
 * Connections as the settings want them. With TLS the server has to show a certificate for its name that is trusted, whatever the
 * environment says of unauthorized ones.
 * @param gateway whose connections they are, for people who look at the broker
 */
export function connector({ broker, tls }: AmqpSettings, gateway: string): Connect {
  const { isTls, servers, user, vhost } = broker
  return (direction, number) => {
    const { host, port } = servers[number % servers.length]!
    const server = { protocol: isTls ? 'amqps' : 'amqp', hostname: host, port, vhost, heartbeat: HEARTBEAT_SECONDS }
    return connect(server, {
      ...{ noDelay: true, keepAlive: true, timeout: CONNECT_TIMEOUT_MS },
      ...(isTls ? { ...given(tls), rejectUnauthorized: true } : {}),
      credentials: credentialsOf(user, tls.cert !== undefined),
      clientProperties: { connection_name: `rouse ${gateway} ${direction}` },
    })
  }
}

function credentialsOf(user: AmqpSettings['broker']['user'], hasCertificate: boolean) {
  if (user) return credentials.plain(user.name, user.password)
  return hasCertificate ? credentials.external() : credentials.plain('guest', 'guest')
}

function given({ ca, cert, key }: AmqpSettings['tls']) {
  return { ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert, key }) }
}
