/**
 * Steps of a sipp scenario. A caller's begin with `invite`, a callee's with `receives('INVITE')`; `[service]`, `[domain]` and
 * `[caller]` are filled in by sipp from the options of its start.
 */
export type Step = string

/**
 * Sets up a call as `[caller]` to `[service]@[domain]`.
 * @param contactPort where the caller wants to be reached, when it is another port than it calls from
 */
export function invite(headers: string[] = [], contactPort?: number): Step {
  return send(
    [
      'INVITE sip:[service]@[domain] SIP/2.0',
      via('inv'),
      CALLER,
      'To: <sip:[service]@[domain]>',
      'Call-ID: [call_id]',
      'CSeq: 1 INVITE',
      contactPort ? CONTACT.replace('[local_port]', String(contactPort)) : CONTACT,
      'Max-Forwards: 70',
      ...headers,
    ],
    { retransmits: true, body: SDP },
  )
}

/** Sends a request outside any dialog, such as MESSAGE or OPTIONS. */
export function request(method: string, options: { uri?: string; headers?: string[]; body?: string } = {}): Step {
  const lines = [
    `${method} ${options.uri ?? 'sip:[service]@[domain]'} SIP/2.0`,
    via(method.toLowerCase()),
    CALLER,
    'To: <sip:[service]@[domain]>',
    'Call-ID: [call_id]',
    `CSeq: 1 ${method}`,
    'Max-Forwards: 70',
    ...(options.headers ?? []),
  ]
  return send(lines, { retransmits: true, body: options.body })
}

/** Binds `contact` to `[service]@[domain]`. */
export function register(contact: string, expiresSeconds: number): Step {
  const lines = [
    'REGISTER sip:[domain] SIP/2.0',
    via('register'),
    'From: <sip:[service]@[domain]>;tag=[pid]r[call_number]',
    'To: <sip:[service]@[domain]>',
    'Call-ID: [call_id]',
    'CSeq: 1 REGISTER',
    `Contact: ${contact}`,
    `Expires: ${expiresSeconds}`,
    'Max-Forwards: 70',
  ]
  return send(lines, { retransmits: true })
}

/**
 * Expects a response or a request; an INVITE brings the route set and the dialog's remote target.
 * @param header name and regular expression (POSIX extended): the message fails the scenario when its header does not match
 */
export function receives(what: number | string, options: { optional?: boolean; header?: [string, string] } = {}): Step {
  const kind = typeof what === 'number' ? `response="${what}"` : `request="${what}"`
  const attributes = `${kind}${options.optional ? ' optional="true"' : ''}${what === 'INVITE' ? ' rrs="true"' : ''}`
  const checks = options.header ? [matches(...options.header)] : []
  return recv(attributes, what === 'INVITE' ? [...REMEMBERED, ...checks] : checks)
}

/** Expects the 200 of the INVITE, which brings the caller's route set and remote target. */
export function answered(): Step {
  return recv('response="200" rrs="true"', [REMEMBER_TO])
}

/** Any of these responses may come, in any number, before the next step. */
export function mayReceive(...statuses: number[]): Step {
  return statuses.map((status) => receives(status, { optional: true })).join('\n')
}

/** Answers the INVITE; 200 carries SDP and is repeated until the ACK. */
export function replies(status: number, reason: string, headers: string[] = []): Step {
  const lines = [
    `SIP/2.0 ${status} ${reason}`,
    'Via:[$via1]',
    'Via:[$via2]',
    'From:[$from]',
    'To:[$to];tag=[pid]t[call_number]',
    'Call-ID: [call_id]',
    'CSeq:[$cseq]',
    ...(status < 300 ? ['[last_Record-Route:]', CONTACT] : []),
    ...headers,
  ]
  return send(lines, { retransmits: status >= 200, body: status === 200 ? SDP : undefined })
}

/** Answers the request that came last (BYE, CANCEL, INFO, MESSAGE). */
export function accepts(): Step {
  return send(answers('200 OK'))
}

function answers(status: string): string[] {
  return [`SIP/2.0 ${status}`, '[last_Via:]', '[last_From:]', '[last_To:]', '[last_Call-ID:]', '[last_CSeq:]']
}

/** The caller's ACK of the 2xx. */
export function ack(cseq = 1): Step {
  return send(inDialog('ACK', cseq))
}

/** The caller offers a session anew. @param port where it would take its audio, when that is another one */
export function reInvite(port?: number): Step {
  const body = port === undefined ? SDP : SDP.replace(MEDIA, mediaAt(port))
  return send([...inDialog('INVITE', 2), CONTACT], { retransmits: true, body })
}

/** Answers the re-INVITE that came last. */
export function acceptsReInvite(): Step {
  return send([...answers('200 OK'), CONTACT], { retransmits: true, body: SDP })
}

export function declinesReInvite(): Step {
  return send(answers('488 Not Acceptable Here'), { retransmits: true })
}

/** The caller's ACK of a re-INVITE that was declined. */
export function ackDeclined(): Step {
  const lines = inDialog('ACK', 2).filter((line) => !line.startsWith('Via:'))
  return send([lines[0]!, via('dialog-invite'), ...lines.slice(1)])
}

/** The caller's ACK of a failure. */
export function ackFailure(): Step {
  const lines = [
    'ACK sip:[service]@[domain] SIP/2.0',
    via('inv'),
    CALLER,
    '[last_To:]',
    'Call-ID: [call_id]',
    'CSeq: 1 ACK',
  ]
  return send([...lines, 'Max-Forwards: 70'])
}

export function cancel(): Step {
  const lines = ['CANCEL sip:[service]@[domain] SIP/2.0', via('inv'), CALLER, 'To: <sip:[service]@[domain]>']
  return send([...lines, 'Call-ID: [call_id]', 'CSeq: 1 CANCEL', 'Max-Forwards: 70'], { retransmits: true })
}

/** The caller hangs up. */
export function bye(): Step {
  return send(inDialog('BYE', 3), { retransmits: true })
}

/** The caller presses a digit, sent by SIP INFO. */
export function digit(digit: string): Step {
  const lines = [...inDialog('INFO', 2), 'Content-Type: application/dtmf-relay']
  return send(lines, { retransmits: true, body: dtmfRelay(digit) })
}

/** The callee presses a digit, sent by SIP INFO as `application/dtmf-relay` or as `application/dtmf` (the digit alone). */
export function calleeDigit(digit: string, type = 'application/dtmf-relay'): Step {
  const lines = [
    'INFO [next_url] SIP/2.0',
    via('callee-info'),
    'From:[$to];tag=[pid]t[call_number]',
    'To:[$from]',
    'Call-ID: [call_id]',
    'CSeq: 11 INFO',
    '[routes]',
    'Max-Forwards: 70',
    `Content-Type: ${type}`,
  ]
  return send(lines, { retransmits: true, body: type === 'application/dtmf' ? digit : dtmfRelay(digit) })
}

export function pauses(ms: number): Step {
  return `<pause milliseconds="${ms}"/>`
}

/** The scenario file. */
export function scenarioOf(steps: readonly Step[]): string {
  const used = ['via1', 'via2', 'from', 'to', 'cseq', 'checked'].filter((name) =>
    steps.join('').includes(`assign_to="${name}"`),
  )
  const reference = used.length > 0 ? `<Reference variables="${used.join(',')}"/>` : ''
  return `<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="rouse">\n${steps.join('\n')}\n${reference}\n</scenario>\n`
}

const MEDIA = 'm=audio 16384 RTP/AVP 0\na=rtpmap:0 PCMU/8000'
const CALLER = 'From: <sip:[caller]@[domain]>;tag=[pid]f[call_number]'
const CONTACT = 'Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>'
const SDP = ['v=0', 'o=sipp 1 1 IN IP4 [local_ip]', 's=-', 'c=IN IP4 [local_ip]', 't=0 0', MEDIA].join('\n')

const REMEMBER_TO = '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="to"/>'

/** What later answers to an INVITE are made of, when a CANCEL has come in between. It has two Vias: the router's and the caller's. */
const REMEMBERED = [
  '<ereg regexp=".*" search_in="hdr" header="Via:" assign_to="via1"/>',
  '<ereg regexp=".*" search_in="hdr" header="Via:" occurrence="2" assign_to="via2"/>',
  '<ereg regexp=".*" search_in="hdr" header="From:" assign_to="from"/>',
  REMEMBER_TO,
  '<ereg regexp=".*" search_in="hdr" header="CSeq:" assign_to="cseq"/>',
]

function via(name: string): string {
  return `Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK-${name}-[pid]-[call_number]`
}

function inDialog(method: string, cseq: number): string[] {
  return [
    `${method} [next_url] SIP/2.0`,
    via(`dialog-${method.toLowerCase()}`),
    CALLER,
    'To:[$to]',
    'Call-ID: [call_id]',
    `CSeq: ${cseq} ${method}`,
    '[routes]',
    'Max-Forwards: 70',
  ]
}

function dtmfRelay(digit: string): string {
  return `Signal=${digit}\nDuration=160`
}

function recv(attributes: string, actions: string[]): Step {
  return actions.length > 0
    ? `<recv ${attributes}><action>${actions.join('')}</action></recv>`
    : `<recv ${attributes}/>`
}

function matches(header: string, regexp: string): string {
  return `<ereg regexp="${regexp}" search_in="hdr" header="${header}:" check_it="true" assign_to="checked"/>`
}

function send(lines: string[], options: { retransmits?: boolean; body?: string } = {}): Step {
  const message = [...lines, 'Content-Length: [len]', '', ...(options.body ? [options.body] : [])]
  return `<send${options.retransmits ? ' retrans="500"' : ''}><![CDATA[\n${message.join('\n')}\n${options.body ? '' : '\n'}]]></send>`
}

/** The same steps with media that is taken at `port` (`[media_port]`: where sipp plays from), and with digits in it (RFC 4733). */
export function withMedia(steps: readonly Step[], port: number | '[media_port]'): Step[] {
  return steps.map((step) => step.replace(MEDIA, mediaAt(port)))
}

function mediaAt(port: number | '[media_port]'): string {
  return [`m=audio ${port} RTP/AVP 8 101`, 'a=rtpmap:8 PCMA/8000', 'a=rtpmap:101 telephone-event/8000'].join('\n')
}

/** Plays a capture to where the other end takes its media; needs root, as sipp writes the packets itself. */
export function playsCapture(file: string): Step {
  return `<nop><action><exec play_pcap_audio="${file}"/></action></nop>`
}
