import assert from 'node:assert/strict'
import type { RouseEvent } from '../../../functions/contract/events.ts'
import { Ingress, type IngressOptions } from '../../../functions/ingress/ingress.ts'
import { readMappings } from '../../../functions/ingress/mappings.ts'
import { Repeats } from '../../../functions/ingress/repeats.ts'
import { CountingIds, FakeClock } from '../../support/fake-clock.ts'

export const NOW: number = Date.parse('2024-06-01T12:00:00Z')
export const TOKEN = 'long-random-word'
export const SECRET: string = `whsec_${Buffer.alloc(32, 1).toString('base64')}`

/** What is told, line by line. */
export interface Line {
  level: 'info' | 'warn'
  message: string
  fields: Record<string, unknown>
}

export interface IngressTest {
  clock: FakeClock
  published: RouseEvent[]
  lines: Line[]
  results: string[]
  post(body: unknown, headers?: Record<string, string>, path?: string, address?: string): Promise<Response>
  asks(headers: Record<string, string>, path?: string): Promise<Response>
}

/** An ingress that is open to this machine and publishes into a list; two wait for each event. */
export function ingress(options: Partial<IngressOptions> & { rules?: unknown } = {}): IngressTest {
  const clock = (options.clock as FakeClock | undefined) ?? new FakeClock(NOW)
  const published: RouseEvent[] = []
  const lines: Line[] = []
  const results: string[] = []
  const line =
    (level: Line['level']) =>
    (message: string, fields: Record<string, unknown> = {}) =>
      void lines.push({ level, message, fields })
  const { rules, ...others } = options
  const made = new Ingress({
    secret: undefined,
    tokens: [],
    withoutToken: 'loopback',
    bodyLimit: 65_536,
    limit: undefined,
    mappings: rules === undefined ? new Map() : mappingsOf(rules),
    topics: [],
    publish: async (event) => {
      published.push(event)
      return 2
    },
    once: new Repeats(clock),
    count: (result) => void results.push(result),
    fetch: () => assert.fail('nothing is fetched'),
    ids: new CountingIds(),
    log: { info: line('info'), warn: line('warn') },
    ...others,
    clock,
  })
  return {
    clock,
    published,
    lines,
    results,
    asks: (headers, path = '/events') =>
      made.receive(new Request(new URL(path, 'http://localhost:8080'), { method: 'OPTIONS', headers })),
    post: (body, headers = {}, path = '/events', address = '') =>
      made.receive(
        new Request(new URL(path, 'http://localhost:8080'), {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: typeof body === 'string' || body instanceof ReadableStream ? body : JSON.stringify(body),
          duplex: 'half',
        } as RequestInit),
        address,
      ),
  }
}

export function mappingsOf(rules: unknown, setting: (name: string) => string | undefined = () => undefined) {
  const read = readMappings(rules, setting)
  assert.ok(read.ok, read.ok ? '' : read.problem.join('\n'))
  return read.value
}

export async function problemOf(response: Response): Promise<Record<string, unknown>> {
  assert.equal(response.headers.get('content-type'), 'application/problem+json')
  const problem = (await response.json()) as Record<string, unknown>
  assert.equal(problem.status, response.status)
  return problem
}

/** 202, and what it says. */
export async function accepted(response: Response): Promise<unknown> {
  assert.equal(response.status, 202, await response.clone().text())
  return response.json()
}
