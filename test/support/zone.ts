import type { NaptrRecord, Resolver, SrvRecord } from '../../gateway/transport/resolver.ts'

export interface ZoneRecords {
  naptr?: Record<string, NaptrRecord[]>
  srv?: Record<string, SrvRecord[]>
  addresses?: Record<string, string[]>
}

type Kind = keyof ZoneRecords

/** A resolver over records given in a test. It notes what it was asked, and can fail or stay silent. */
export class Zone implements Resolver {
  readonly asked: string[] = []
  readonly #records: ZoneRecords
  readonly #behaviour = new Map<string, 'fails' | 'is silent'>()

  constructor(records: ZoneRecords) {
    this.#records = records
  }

  /** SERVFAIL, or no answer at all, to that question: `srv _sip._udp.example.com`. */
  on(question: string, behaviour: 'fails' | 'is silent'): this {
    this.#behaviour.set(question, behaviour)
    return this
  }

  naptr(domain: string): Promise<NaptrRecord[]> {
    return this.#answer('naptr', domain)
  }

  srv(name: string): Promise<SrvRecord[]> {
    return this.#answer('srv', name)
  }

  addresses(host: string): Promise<string[]> {
    return this.#answer('addresses', host)
  }

  async #answer<Answer>(kind: Kind, name: string): Promise<Answer[]> {
    this.asked.push(`${kind} ${name}`)
    const behaviour = this.#behaviour.get(`${kind} ${name}`)
    if (behaviour === 'fails') throw new Error('SERVFAIL')
    if (behaviour === 'is silent') await new Promise(() => {})
    return (this.#records[kind]?.[name] ?? []) as Answer[]
  }
}

/** A NAPTR record as SIP uses it (RFC 3263 4.1). */
export function naptr(order: number, preference: number, service: string, replacement: string): NaptrRecord {
  return { order, preference, flags: 's', service, regexp: '', replacement }
}

export function srv(priority: number, weight: number, port: number, target: string): SrvRecord {
  return { priority, weight, port, target }
}
