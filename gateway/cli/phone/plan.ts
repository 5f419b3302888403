import { durationMs } from '../../../functions/contract/duration.ts'
import { parseUri } from '../../../functions/contract/uri/uri.ts'
import { hostPort } from '../../config-values.ts'
import { type Arguments, type OptionSpec, Refusal } from '../command.ts'

/** What a simulated phone is to do. All times in milliseconds. */
export interface PhonePlan {
  user: string
  domain: string
  server: { host: string; port: number }
  transport: 'udp' | 'tcp'
  registers: boolean
  /** Goes away once it is registered; a push wakes it. */
  sleeps: boolean
  /** How long it takes to wake. */
  wakeAfterMs: number
  expiresSeconds: number
  /** SIP URI to call. */
  call: string | undefined
  /** How long it rings before it answers; undefined: it rings until the caller gives up. */
  answerAfterMs: number | undefined
  /** Status to decline with. */
  decline: number | undefined
  /** Pressed once the call is answered. */
  digits: string
  /** Of an answered call. */
  hangUpAfterMs: number | undefined
  /** Of a call that nobody answers. */
  cancelAfterMs: number | undefined
  /** Ends after its first call. */
  once: boolean
  password: string | undefined
}

export const PHONE_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  register: { help: 'registers, and takes calls until Ctrl-C' },
  asleep: { help: 'registers and goes away: a push of `rouse dev` wakes it' },
  wake: { value: '3s', isAfter: true, help: 'how long it takes to wake; default 0' },
  call: { value: 'bob', help: 'calls a user of the domain, or a SIP URI' },
  answer: { value: '2s', isAfter: true, help: 'answers a call after it has rung so long; default: it only rings' },
  decline: { value: '486', help: 'answers calls with this status instead' },
  dtmf: { value: '2', help: 'presses these digits once a call is answered (SIP INFO)' },
  hangup: { value: '5s', isAfter: true, help: 'hangs up after so long; default: the other end does' },
  cancel: { value: '10s', isAfter: true, help: 'gives up a call that nobody answers; default: the router does' },
  once: { help: 'ends after the first call' },
  server: { value: '127.0.0.1:5060', help: 'the router' },
  domain: { value: 'example.com', help: 'of the user; default the host of the router' },
  tcp: { help: 'over TCP instead of UDP' },
  password: { value: 'secret', help: 'answers challenges of the router with it' },
  expires: { value: '600', help: 'seconds a registration lives' },
}

const USER = /^[A-Za-z0-9\-_.!~*'()&=+$,;?/%]{1,64}$/

/** @throws Refusal that names every option that is wrong */
export function readPlan({ positionals, values, flags }: Arguments): PhonePlan {
  const faults: string[] = []
  const read = <T>(name: string, expected: string, parse: (text: string) => T | undefined): T | undefined => {
    const text = values[name]
    if (text === undefined) return undefined
    const value = parse(text)
    if (value === undefined) faults.push(`--${name}: expected ${expected}, got "${text}"`)
    return value
  }
  const time = (name: string) => read(name, 'a time such as 2s or 500ms', durationMs)
  const user = positionals[0]!
  if (!USER.test(user)) faults.push(`"${user}" is no user of a SIP URI; write for example bob`)
  const server = read('server', 'host or host:port', serverOf) ?? { host: '127.0.0.1', port: 5060 }
  const domain = values.domain ?? server.host
  const plan: PhonePlan = {
    user,
    domain,
    server,
    transport: flags.has('tcp') ? 'tcp' : 'udp',
    registers: flags.has('register') || flags.has('asleep'),
    sleeps: flags.has('asleep'),
    wakeAfterMs: time('wake') ?? 0,
    expiresSeconds: read('expires', 'seconds from 60 to 86400', (text) => whole(text, 60, 86_400)) ?? 600,
    call: read('call', 'a user or a SIP URI', (text) => callUri(text, domain)),
    answerAfterMs: time('answer'),
    decline: read('decline', 'a status from 300 to 699', (text) => whole(text, 300, 699)),
    digits:
      read('dtmf', 'digits: 0 to 9, *, #, A to D', (text) => (/^[0-9*#A-D]{1,32}$/.test(text) ? text : undefined)) ??
      '',
    hangUpAfterMs: time('hangup'),
    cancelAfterMs: time('cancel'),
    once: flags.has('once'),
    password: values.password,
  }
  if (faults.length === 0) faults.push(...togetherFaults(plan))
  if (faults.length > 0) throw new Refusal(...faults)
  return plan
}

function togetherFaults({ registers, sleeps, wakeAfterMs, call, decline, answerAfterMs }: PhonePlan): string[] {
  const faults: string[] = []
  if (!registers && call === undefined) faults.push('what shall it do? Say --register, --asleep or --call somebody')
  if (wakeAfterMs > 0 && !sleeps) faults.push('--wake: only a phone that sleeps wakes; add --asleep')
  if (sleeps && call !== undefined) faults.push('--asleep and --call: a phone that sleeps calls nobody; leave one out')
  if (decline !== undefined && answerAfterMs !== undefined) faults.push('--answer and --decline: leave one out')
  return faults
}

function serverOf(text: string): PhonePlan['server'] | undefined {
  const read = hostPort(text)
  return read.ok ? { host: read.value.host, port: read.value.port ?? 5060 } : undefined
}

function whole(text: string, least: number, most: number): number | undefined {
  const number = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN
  return number >= least && number <= most ? number : undefined
}

function callUri(text: string, domain: string): string | undefined {
  const uri = /^sips?:/i.test(text) ? text : text.includes('@') ? `sip:${text}` : `sip:${text}@${domain}`
  return parseUri(uri) ? uri : undefined
}
