/** What is asked of the DNS. Each answers `[]` when there is nothing of that kind, and rejects when nobody could say. */
export interface Resolver {
  naptr(domain: string): Promise<NaptrRecord[]>
  srv(name: string): Promise<SrvRecord[]>
  /** A and AAAA, and whatever else the system knows of a host's addresses. */
  addresses(host: string): Promise<string[]>
}

/** RFC 3403 4.1. */
export interface NaptrRecord {
  order: number
  preference: number
  flags: string
  service: string
  regexp: string
  replacement: string
}

/** RFC 2782. */
export interface SrvRecord {
  priority: number
  weight: number
  port: number
  target: string
}
