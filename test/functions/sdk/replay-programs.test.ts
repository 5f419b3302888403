import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Action } from '../../../functions/contract/actions.ts'
import type { Invocation, WaitOutcome } from '../../../functions/contract/envelope.ts'
import { type Call, type DispatchResult, SipRouter } from '../../../functions/sdk/index.ts'
import { seeded } from '../../support/random.ts'
import { BOB_TABLET, invocation } from '../invocations.ts'
import { type Came, type Told, uninterrupted } from './interpreter.ts'
import { execute, program, type Statement } from './programs.ts'

/**
 * Random handlers, through lost answers, invocations that come twice, deliveries that are repeated and processes that end between any
 * two steps, and with a named handler that writes into `call.context` meanwhile, do what they do when they are never interrupted.
 */

const START = Date.parse('2026-01-05T10:00:00.000Z')
const PROGRAMS = 1500

interface Next {
  type: Invocation['type']
  wait?: WaitOutcome
}

/** What one run of the handler saw: the last one that counts saw it all. */
interface Seen {
  draws: number[]
  came: Came[]
}

class Play {
  readonly #statements: readonly Statement[]
  readonly #random: () => number
  #sip: SipRouter
  #seen: Seen = { draws: [], came: [] }
  #context: unknown
  #now = START
  #seq = 0
  #charged = 0
  #heard: unknown
  readonly did: string[] = []
  readonly #armed = new Set<string>()
  /** What was told of each wait, and when. */
  readonly outcomes = new Map<number, Told>()
  interruptions = 0

  constructor(statements: readonly Statement[], random: () => number) {
    this.#statements = statements
    this.#random = random
    this.#sip = this.#process()
  }

  #process(): SipRouter {
    return new SipRouter({ onError: () => {}, now: () => 0 })
      .invite('/:domain/:user', (call) => this.#handle(call as Call))
      .on('hear', (call, event) => {
        call.context.heard = event.n
      })
  }

  #handle(call: Call): Promise<void> {
    const seen: Seen = { draws: [], came: [] }
    this.#seen = seen
    let begun = 0
    const seenBy = <T>(promise: Promise<T>, read: (value: T) => unknown): Promise<unknown> => {
      const of = ++begun
      return promise.then(
        (result) => {
          const value = read(result)
          seen.came.push({ of, value, at: call.now() })
          return value
        },
        (error: Error) => {
          seen.came.push({ of, error: error.message, at: call.now() })
          throw error
        },
      )
    }
    const task = async (fails: boolean) => {
      this.#charged++
      if (fails) throw new Error(`failed ${this.#charged}`)
      return this.#charged
    }
    return execute(this.#statements, {
      act: (text) => call.publish('did', { text }),
      wait: () => seenBy(call.wait('a', {}, '9s'), (event) => event?.n ?? null),
      ring: () => seenBy(call.ring('sip:b@192.0.2.9', { for: '9s' }), ({ status }) => status),
      lookup: () => seenBy(call.lookup('sip:c@example.com'), (contacts) => contacts.length),
      run: (fails) =>
        seenBy(
          call.run('task', () => task(fails)),
          (value) => value,
        ),
      now: () => call.now(),
      random: () => {
        seen.draws.push(call.random())
        return seen.draws.at(-1)!
      },
      note: (label) => {
        call.context.noted = label
      },
      noted: () => call.context.noted,
      heard: () => call.context.heard,
    })
  }

  /** @returns what came, in order, what chance said, and how it ended */
  async run(): Promise<Seen & { ending: 'returned' | 'threw' }> {
    let next: Next = { type: 'sip.request' }
    let before: Seen = { draws: [], came: [] }
    for (;;) {
      const result = await this.#asked(next)
      const seen = this.#seen
      assert.deepEqual(seen.draws.slice(0, before.draws.length), before.draws)
      assert.deepEqual(seen.came.slice(0, before.came.length), before.came)
      before = { draws: [...seen.draws], came: [...seen.came] }
      if (result.status === 500) return { ...before, ending: 'threw' }
      assert.equal(result.status, 200, JSON.stringify(result.body))
      const { actions, context } = JSON.parse(JSON.stringify(result.body)) as { actions: Action[]; context?: unknown }
      this.#context = context
      for (const action of actions) this.#perform(action)
      if (!this.#isSuspended()) return { ...before, ending: 'returned' }
      if (next.wait && this.#random() < 0.2) await this.#repeated(next.wait)
      if (this.#random() < 0.3) await this.#hear()
      next = this.#event()
    }
  }

  #isSuspended(): boolean {
    return (this.#context as { journals?: object } | undefined)?.journals !== undefined
  }

  /** One invocation, until an answer of it gets through. */
  async #asked(next: Next): Promise<DispatchResult> {
    if (this.#seq > 0) this.#now += Math.floor(this.#random() * 3) * 500
    const id = `inv-${++this.#seq}`
    const ask = () => this.#sip.dispatch('/invite/example.com/bob', this.#invocation(id, next))
    while (this.#random() < 0.25) {
      this.interruptions++
      const lost = ask()
      if (this.#random() < 0.5) await lost
      if (this.#random() < 0.5) this.#sip = this.#process()
    }
    if (next.wait)
      this.outcomes.set(numberOf(next.wait.name), { value: outcomeOf(next.wait), at: this.#now, heard: this.#heard })
    return ask()
  }

  /** At least once: what was told already changes nothing. */
  async #repeated(wait: WaitOutcome): Promise<void> {
    this.interruptions++
    const seen = this.#seen
    const { status, body } = await this.#sip.dispatch(
      '/invite/example.com/bob',
      this.#invocation('again', { type: 'wait.resumed', wait }),
    )
    assert.deepEqual([status, (body as { actions: unknown }).actions], [200, []])
    this.#seen = seen
  }

  /** A subscription of the call's has matched. */
  async #hear(): Promise<void> {
    const event = eventOf(this.#random)
    const matched = this.#invocation('hear', { type: 'subscription.matched' })
    const { status, body } = await this.#sip.dispatch('/on/hear', { ...matched, data: { ...matched.data, event } })
    assert.equal(status, 200, JSON.stringify(body))
    this.#context = JSON.parse(JSON.stringify((body as { context: unknown }).context))
    this.#heard = event.attributes.n
  }

  #invocation(id: string, { type, wait }: Next): Invocation {
    const data = {
      ...(wait ? { wait } : {}),
      ...(this.#context === undefined ? {} : { context: this.#context }),
    }
    return invocation({ id, type, time: new Date(this.#now).toISOString(), transaction: { seq: this.#seq }, data })
  }

  #perform(action: Action): void {
    if (action.action === 'publish') this.did.push(String(action.attributes?.text))
    if (action.action === 'wait' || action.action === 'lookup') {
      this.#armed.add(action.name)
      this.did.push(action.name.replace('-', ' '))
    }
    if (action.action === 'unsubscribe') this.#armed.delete(action.name!)
  }

  /** Something that is waited for comes, or does not come in time. */
  #event(): Next {
    const armed = [...this.#armed]
    const name = armed[Math.floor(this.#random() * armed.length)]!
    assert.ok(name, 'a handler that is suspended waits for something')
    this.#armed.delete(name)
    if (name.startsWith('lookup')) {
      const contacts = this.#random() < 0.5 ? [] : [BOB_TABLET]
      return { type: 'wait.resumed', wait: { name, timedOut: false, contacts } }
    }
    if (this.#random() < 0.3) return { type: 'wait.timed_out', wait: { name, timedOut: true } }
    if (name.startsWith('ring')) {
      const fork = { id: name, answered: false, status: 480 + Math.floor(this.#random() * 10) }
      return { type: 'wait.resumed', wait: { name, timedOut: false, fork } }
    }
    return { type: 'wait.resumed', wait: { name, timedOut: false, event: eventOf(this.#random) } }
  }
}

function eventOf(random: () => number) {
  return { id: 'e', type: 'a', time: '2026-01-05T10:00:00.000Z', attributes: { n: Math.floor(random() * 99) } }
}

function numberOf(name: string): number {
  return Number(name.slice(name.lastIndexOf('-') + 1))
}

function outcomeOf({ name, timedOut, contacts, fork, event }: WaitOutcome): unknown {
  if (contacts) return contacts.length
  if (name.startsWith('ring')) return timedOut ? 408 : fork!.status
  return timedOut ? null : event!.attributes.n
}

const isArming = (text: string) => /^(wait|ring|lookup) \d+$/.test(text)

async function check(seed: number, length: number): Promise<number> {
  const random = seeded(seed)
  const statements = program(random).slice(0, length)
  const play = new Play(statements, random)
  const { came, draws, ending } = await play.run()
  for (const { of, value, at } of came) {
    const told = play.outcomes.get(of)
    if (told) assert.deepEqual({ value, at }, { value: told.value, at: told.at })
  }
  const expected = await uninterrupted(statements, came, play.outcomes, draws, START)
  const armed = new Set(play.did.filter(isArming))
  // What was armed and is not wanted at the end is not sent.
  const did = expected.did.filter((text) => !isArming(text) || armed.has(text))
  if (ending === 'threw') {
    assert.match(expected.ending ?? '', /^failed/)
    assert.deepEqual(play.did, did.slice(0, play.did.length))
  } else {
    assert.equal(expected.ending, 'returned')
    assert.deepEqual(play.did, did)
  }
  return play.interruptions
}

test(`${PROGRAMS} random handlers do the same whether they are interrupted or not`, async () => {
  let interruptions = 0
  for (let seed = 1; seed <= PROGRAMS; seed++) {
    try {
      interruptions += await check(seed, Number.POSITIVE_INFINITY)
    } catch (error) {
      throw new Error(await shortest(seed), { cause: error })
    }
  }
  assert.ok(interruptions > PROGRAMS / 2, String(interruptions))
})

/** The shortest beginning of the program that fails too. */
async function shortest(seed: number): Promise<string> {
  for (let length = 1; ; length++) {
    const failed = await check(seed, length).then(
      () => false,
      () => true,
    )
    if (failed || length === 4) return `seed ${seed}: ${JSON.stringify(program(seeded(seed)).slice(0, length))}`
  }
}
