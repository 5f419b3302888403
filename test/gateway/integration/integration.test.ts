import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Integration, Integrations } from '../../../gateway/integration/integration.ts'
import { Counters } from '../../../gateway/observe/counters.ts'
import { renderPrometheus } from '../../../gateway/observe/prometheus.ts'

class Told implements Integration {
  readonly name: string
  readonly health: { isUp: boolean; text: string }
  readonly #told: string[]
  readonly #fails: string[]

  constructor(name: string, told: string[], fails: string[] = []) {
    this.name = name
    this.#told = told
    this.#fails = fails
    this.health = { isUp: !fails.includes('up'), text: fails.includes('up') ? 'away' : 'connected' }
  }

  async start() {
    this.#do('start')
  }

  async stop() {
    this.#do('stop')
  }

  #do(what: string) {
    this.#told.push(`${what} ${this.name}`)
    if (this.#fails.includes(what)) throw new Error(`${this.name}: no`)
  }
}

describe('integrations', () => {
  test('start in order, stop in the opposite one, and one that fails to stop keeps no other', async () => {
    const told: string[] = []
    const all = new Integrations(
      [new Told('a', told), new Told('b', told, ['stop']), new Told('c', told)],
      new Counters(),
    )
    await all.start()
    await all.stop()
    assert.deepEqual(told, ['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a'])
  })

  test('one that cannot start says why, and those before it are stopped', async () => {
    const told: string[] = []
    const all = new Integrations(
      [new Told('a', told), new Told('b', told, ['start']), new Told('c', told)],
      new Counters(),
    )
    await assert.rejects(all.start(), /b: no/)
    assert.deepEqual(told, ['start a', 'start b', 'stop a'])
  })

  test('readiness and metrics say how each is', () => {
    const counters = new Counters()
    const all = new Integrations([new Told('amqp', []), new Told('freeswitch', [], ['up'])], counters)
    assert.deepEqual(all.checks, { amqp: 'connected', freeswitch: 'away' })
    const text = renderPrometheus(counters)
    assert.match(text, /^rouse_integration_up\{name="amqp"\} 1$/m)
    assert.match(text, /^rouse_integration_up\{name="freeswitch"\} 0$/m)
  })
})
