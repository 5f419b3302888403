import { relative } from 'node:path'
import type { Config } from './config.ts'
import type { Listener } from './transport/types.ts'

/** What a person reads after `npm start`: where SIP and HTTP listen, which functions run, how to point two phones at it. */
export function greeting(settings: Config, listeners: readonly Listener[], httpUrl: string): string {
  const { source } = settings.functions
  const first = listeners[0]!
  const server = `${first.advertisedHost}:${first.advertisedPort}`
  const domain = settings.sip.domains[0] ?? first.advertisedHost
  return [
    'Rouse is ready.',
    `  SIP        ${listeners.map(listenerText).join(', ')}`,
    `  HTTP       ${httpUrl}   (healthz, calls, registrations, events, metrics)`,
    `  functions  ${source.kind === 'url' ? source.url : relative(process.cwd(), source.path)}`,
    `Point two softphones at it: alice@${domain} and bob@${domain}, any password, server and outbound proxy ${server};`,
    `then let alice call sip:bob@${domain}. \`npm run demo\` shows a sleeping phone being woken.`,
  ].join('\n')
}

function listenerText(listener: Listener): string {
  return `${listener.transport}://${listener.address.includes(':') ? `[${listener.address}]` : listener.address}:${listener.port}`
}
