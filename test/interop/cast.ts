import { host, nextAddress } from './network.ts'
import { play, Sipp, type SippOptions, type SippResult } from './sipp.ts'
import * as step from './sipp-steps.ts'

/** Who plays in a scenario: makes sipp ends on addresses of their own, all towards one router. */
export interface Stage {
  transport: 'udp' | 'tcp'
  /** host:port of the router. */
  router: string
  domain: string
}

/** One device: where it is, and how it is bound to its user. */
export class Device {
  readonly #stage: Stage
  readonly name: string
  readonly user: string
  readonly address: string

  constructor(stage: Stage, name: string, user: string, address = nextAddress()) {
    this.#stage = stage
    this.name = name
    this.user = user
    this.address = address
  }

  /** Plays these steps; when they begin with a request to be received, it listens once this returns. */
  plays(steps: readonly step.Step[], options: Partial<SippOptions> = {}): Promise<Sipp> {
    return Sipp.start({ ...this.#stage, name: this.name, address: this.address, caller: this.user, steps, ...options })
  }

  /** Calls `[service]` in these steps and succeeds in all of them. */
  async calls(service: string, steps: readonly step.Step[], options: Partial<SippOptions> = {}): Promise<SippResult> {
    return (await this.plays(steps, { service, ...options })).succeeds()
  }

  /**
   * Registers this device. sipp cannot be called on the connection its REGISTER came by, so this is a third party's doing (RFC 3261
   * 10.2), unless `itself` is asked for.
   * @param push token of its push provider: then it can be woken
   * @param port the one it wants to be called on
   * @param itself whether the REGISTER comes from the device's own address, over a connection that is closed afterwards
   */
  async registers({ push, port = 5060, itself = false }: Registration = {}): Promise<void> {
    const { router, transport, domain } = this.#stage
    const parameters = push ? `;pn-provider=webhook;pn-prid=${push};pn-param=app` : ''
    const uri = `<sip:${this.user}@${this.address}:${port};transport=${transport}${parameters}>`
    const contact = `${uri};+sip.instance="<urn:uuid:${instanceOf(this.address)}>"`
    await play({
      ...{ router, transport, domain, address: itself ? this.address : host(7), port: 5070, service: this.user },
      name: `${this.name} registering`,
      steps: [step.register(contact, 120), step.receives(200)],
    })
  }
}

interface Registration {
  push?: string
  port?: number
  itself?: boolean
}

/** The same device keeps it for ever, whatever its address of the day. */
function instanceOf(address: string): string {
  const octets = address.split('.').map((octet) => Number(octet).toString(16).padStart(2, '0'))
  return `00000000-0000-4000-8000-0000${octets.join('')}`
}
