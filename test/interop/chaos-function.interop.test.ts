import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Gateway } from './gateway.ts'
import { eventually, Program } from './program.ts'
import { Started } from './started.ts'
import { Callers, Phones } from './udp-peers.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const WEBHOOK_SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
/** Milliseconds between two calls. */
const EVERY_MS = 20
const CIRCUIT = 'rouse_function_circuit{host="function"}'

/** A process that serves functions, which can be killed and started again on the port it had. */
class FunctionProcess {
  url = ''
  #program: Program | undefined
  readonly #forksTo: string

  constructor(forksTo: string) {
    this.#forksTo = forksTo
  }

  async start(): Promise<this> {
    const env = {
      ...process.env,
      WEBHOOK_SECRET,
      FORKS_TO: this.#forksTo,
      PORT: new URL(this.url || 'http://a:0').port || '0',
    }
    const command = ['functions/entry/node.ts', 'test/interop/apps/forks-to.ts']
    this.#program = new Program('function', process.execPath, command, { cwd: ROOT, env })
    const [, url] = await this.#program.until(this.#program.says(/listening on (http:\S+)/))
    this.url = url!
    return this
  }

  async kill(): Promise<void> {
    this.#program?.signal('SIGKILL')
    await this.#program?.exited
  }

  async stop(): Promise<void> {
    await this.#program?.stop()
  }
}

describe('a function whose process is killed and started again while calls flow', () => {
  const started = new Started()
  const users: string[] = []
  let primary: FunctionProcess
  let gateway: Gateway
  let callers: Callers
  let own: Phones
  let spare: Phones
  let ringing: NodeJS.Timeout | undefined

  before(async () => {
    ;[callers, own, spare] = [new Callers(''), new Phones(''), new Phones('')]
    const served = (phones: Phones) => new FunctionProcess(`sip:anybody@${phones.address}:5060`).start()
    const [first, fallback] = await started.keepAll([served(own), served(spare)])
    primary = first
    const env = { FUNCTIONS: primary.url, FUNCTIONS_FALLBACK_URL: fallback.url, WEBHOOK_SECRET, LOG_LEVEL: 'info' }
    gateway = await started.keep(Gateway.start({ env }))
    for (const peer of [callers, own, spare]) {
      peer.router = gateway.router
      await peer.open()
      started.add(() => peer.close())
    }
  })
  after(async () => {
    clearInterval(ringing)
    await started.stop()
  })

  test('every call is answered, by the fallback while it is away, and it is asked again when it is back', {
    timeout: 60_000,
  }, async () => {
    ringing = setInterval(() => {
      const user = `caller-${users.length}`
      users.push(user)
      callers.invite(user)
    }, EVERY_MS)
    await servedBy(own, 50)
    for (let round = 0; round < 2; round++) {
      await primary.kill()
      await servedBy(spare, 50)
      await eventually('the circuit to open', async () => ((await gateway.metric(CIRCUIT)) > 0 ? true : undefined))
      await primary.start()
      await servedBy(own, 50)
      assert.equal(await gateway.metric(CIRCUIT), 0)
    }
    clearInterval(ringing)

    await eventually('every call to be answered', () => users.every((user) => statusOf(user) > 0) || undefined)
    assert.deepEqual(
      users.filter((user) => statusOf(user) !== 200),
      [],
    )
    await callers.hangUp(users)
    await gateway.isIdle()
    assert.equal(await gateway.metric('rouse_function_running'), 0)
    assert.equal(await gateway.metric('rouse_function_queue'), 0)
    assert.equal(await gateway.metric('rouse_bugs_total'), 0)
    const said = gateway.program.output.split('\n').filter((line) => line.includes('"function: circuit'))
    assert.deepEqual(
      said.map((line) => /circuit (opened|closed)/.exec(line)![1]),
      ['opened', 'closed', 'opened', 'closed'],
    )
  })

  /** Until that many more calls have come there. */
  async function servedBy(phones: Phones, more: number): Promise<void> {
    const wanted = phones.rang.size + more
    await eventually(`${more} calls at ${phones.address}`, () => phones.rang.size >= wanted || undefined, 20_000)
  }

  /** The final one; 0 before it. */
  function statusOf(user: string): number {
    return callers.statusesOf(user).find((status) => status >= 200) ?? 0
  }
})
