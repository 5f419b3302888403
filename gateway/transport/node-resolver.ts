import { lookup, Resolver as NodeDns } from 'node:dns/promises'
import type { Resolver } from './resolver.ts'

/** Milliseconds for one question and how often it is put: with a dead name server there is time left to look in the hosts file. */
const TIMEOUT_MS = 700
const TRIES = 2

/**
 * The system's resolver. Addresses come by `getaddrinfo`, which knows the hosts file, search domains and local names too;
 * it works in Node's thread pool, so the event loop stays free.
 */
export function createNodeResolver(): Resolver {
  const dns = new NodeDns({ timeout: TIMEOUT_MS, tries: TRIES })
  return {
    naptr: (domain) => noneIsEmpty(dns.resolveNaptr(domain)),
    srv: async (name) => {
      const records = await noneIsEmpty(dns.resolveSrv(name))
      return records.map((record) => ({ ...record, target: record.name }))
    },
    addresses: async (host) => {
      const found = await noneIsEmpty(lookup(host, { all: true, order: 'verbatim' }))
      return found.map((entry) => entry.address)
    },
  }
}

async function noneIsEmpty<Answer>(answer: Promise<Answer[]>): Promise<Answer[]> {
  try {
    return await answer
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === 'ENOTFOUND' || code === 'ENODATA' || code === 'EBADNAME') return []
    throw error
  }
}
