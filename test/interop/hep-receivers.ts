import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { listening, temporaryDirectory } from './network.ts'
import { eventually, Program } from './program.ts'

/** Programs that take HEP as Homer does. */

/** One packet, as its receiver has read it. */
export interface Seen {
  family: number
  /** IP protocol: 6 TCP, 17 UDP. */
  proto: number
  src: string
  dst: string
  /** Seconds since the epoch, with six decimals. */
  at: string
  /** 1 SIP, 100 log. */
  type: number
  agent: number
  key: string
  callId: string
  payload: string
}

const CHUNKS = {
  ...{
    family: 0x01,
    proto: 0x02,
    srcIp: 0x03,
    dstIp: 0x04,
    srcIp6: 0x05,
    dstIp6: 0x06,
    srcPort: 0x07,
    dstPort: 0x08,
    seconds: 0x09,
  },
  ...{ micros: 0x0a, type: 0x0b, agent: 0x0c, key: 0x0e, callId: 0x11 },
} as const
type Field = keyof typeof CHUNKS

/** Kamailio's sipcapture module, which tells every chunk of every packet. */
export class KamailioReceiver {
  readonly program: Program

  private constructor(program: Program) {
    this.program = program
  }

  static async start(address: string, port: number): Promise<KamailioReceiver> {
    const directory = temporaryDirectory('sipcapture')
    const file = join(directory, 'kamailio.cfg')
    writeFileSync(file, configuration(address, port, directory))
    const path = `${process.env.PATH}:/usr/sbin`
    const program = new Program('kamailio', 'kamailio', ['-f', file, '-DD', '-E', '-w', directory, '-Y', directory], {
      env: { ...process.env, PATH: path },
    })
    await program.until(Promise.all([listening('udp', address, port), listening('tcp', address, port)]))
    return new KamailioReceiver(program)
  }

  /** What has come until now. */
  get packets(): Seen[] {
    return [...this.program.output.matchAll(/<script>: HEP (.*) payload=([0-9a-f]*)/g)].map(([, fields, hex]) =>
      seen(fields!, hex!),
    )
  }

  /** Waits until what has come satisfies `isThere`. */
  has(what: string, isThere: (packets: Seen[]) => boolean): Promise<Seen[]> {
    const look = () => {
      const { packets } = this
      return isThere(packets) ? packets : undefined
    }
    return eventually(what, look, 15_000).catch((error) => {
      throw new Error(`${error.message}; came: ${JSON.stringify(this.packets, null, 1).slice(-6_000)}`)
    })
  }

  stop(): Promise<void> {
    return this.program.stop()
  }
}

function seen(fields: string, hex: string): Seen {
  const value = Object.fromEntries(fields.split(' ').map((field) => field.split(/=(.*)/s) as [Field, string]))
  return {
    ...{ family: Number(value.family), proto: Number(value.proto), type: Number(value.type) },
    src: value.family === '10' ? `[${value.srcIp6}]:${value.srcPort}` : `${value.srcIp}:${value.srcPort}`,
    dst: value.family === '10' ? `[${value.dstIp6}]:${value.dstPort}` : `${value.dstIp}:${value.dstPort}`,
    at: `${value.seconds}.${value.micros!.padStart(6, '0')}`,
    ...{ agent: Number(value.agent), key: value.key!, callId: value.callId! },
    payload: Buffer.from(hex, 'hex').toString('utf8'),
  }
}

function configuration(address: string, port: number, directory: string): string {
  const fields = Object.entries(CHUNKS).map(([field, type]) => `${field}=$hep(0x${type.toString(16).padStart(3, '0')})`)
  return `#!KAMAILIO
debug=2
log_stderror=yes
fork=yes
children=1
tcp_children=1
tcp_accept_hep3=yes
tcp_accept_no_cl=yes
listen=udp:${address}:${port}
listen=tcp:${address}:${port}
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "textops.so"
loadmodule "db_text.so"
loadmodule "sipcapture.so"
modparam("xlog", "buf_size", 65536)
modparam("sipcapture", "db_url", "text://${directory}")
modparam("sipcapture", "capture_on", 1)
modparam("sipcapture", "hep_capture_on", 1)
modparam("sipcapture", "nonsip_hook", 1)
request_route { drop; }
event_route[sipcapture:request] {
  xlog("L_INFO", "HEP ${fields.join(' ')} payload=$(hep(0x00f){s.encode.hexa})\\n");
  drop;
}
`
}

/** sngrep without its screen: what it takes for SIP goes into a capture file. */
export class SngrepReceiver {
  readonly program: Program
  readonly #file: string

  private constructor(program: Program, file: string) {
    this.program = program
    this.#file = file
  }

  /** @param key without which it takes no packet */
  static async start(address: string, port: number, key: string): Promise<SngrepReceiver> {
    const directory = temporaryDirectory('sngrep')
    const settings = join(directory, 'sngreprc')
    const file = join(directory, 'calls.pcap')
    writeFileSync(settings, `set eep.listen.pass ${key}\n`)
    const args = ['-f', settings, '-L', `udp:${address}:${port}`, '-N', '-q', '-O', file]
    const program = new Program('sngrep', 'sngrep', args, { env: { ...process.env, HOME: directory, TERM: 'xterm' } })
    await program.until(listening('udp', address, port))
    return new SngrepReceiver(program, file)
  }

  /** Ends it, so that its file is whole. @returns `seconds source destination method-or-status Call-ID` of each message, by Wireshark's dissector */
  async messages(): Promise<string[]> {
    this.program.signal('SIGINT')
    await this.program.endsWithin(3_000)
    const fields = [
      'frame.time_epoch',
      'ip.src',
      'udp.srcport',
      'ip.dst',
      'udp.dstport',
      'sip.Method',
      'sip.Status-Code',
    ]
    const args = [
      '-r',
      this.#file,
      '-Y',
      'sip',
      '-T',
      'fields',
      ...[...fields, 'sip.Call-ID'].flatMap((each) => ['-e', each]),
    ]
    const { stdout } = await promisify(execFile)('tshark', args)
    return stdout.trim().split('\n')
  }

  stop(): Promise<void> {
    return this.program.stop()
  }
}
