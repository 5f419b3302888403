import { validateAnswer, validateInvocation } from '../../functions/contract/validate.ts'
import { SipRouter } from '../../functions/sdk/index.ts'
import { event, invocation } from '../functions/invocations.ts'
import { byDispatch, Session } from '../functions/session.ts'

/** `node test/bench/sdk.ts`: CPU microseconds of the function side, best of five runs each. Nothing else should run meanwhile. */

const RUNS = 5

const sip = new SipRouter({ unsigned: true })
sip.invite('/support.example.com/:user', async (call) => {
  const registered = call.wait('contact.registered', { aor: call.aor }, '25s')
  call.push()
  const phone = await registered
  if (phone) call.fork(phone.contact)
})
sip.invite('/wake.example.com/:user', (call) => {
  call.subscribe('contact.registered', { aor: call.aor }, 'late-fork', { for: '30s' })
  call.push()
  call.fork(call.contacts)
  call.halt('30s')
})
sip.register('/:domain/:user', (call) => call.save())
sip.invite('/:domain/:user', (call) => call.fork(call.contacts))
sip.on('late-fork', (call, { contact }) => call.fork(contact))

const invoked = invocation()
const body = JSON.stringify(invoked)
const waiting = new Session(byDispatch(sip))
await waiting.start({}, '/invite/support.example.com/bob')
const wait = { name: 'wait-1', timedOut: false, ...event('contact.registered', { contact: 'sip:bob@192.0.2.9' }) }
const resumed = invocation({ type: 'wait.resumed', data: { context: waiting.context, wait } })
const answerOf = async (path: string) => (await sip.dispatch(path, invoked)).body
const one = await answerOf('/invite/example.com/bob')
const four = await answerOf('/invite/wake.example.com/bob')

await measure('dispatch: fork', 200_000, () => sip.dispatch('/invite/example.com/bob', invoked))
await measure('dispatch: subscribe, push, fork, halt', 100_000, () =>
  sip.dispatch('/invite/wake.example.com/bob', invoked),
)
await measure('dispatch: wait and suspend', 20_000, () => sip.dispatch('/invite/support.example.com/bob', invoked))
await measure('dispatch: resume and fork', 20_000, () => sip.dispatch('/invite/support.example.com/bob', resumed))
await measure('fetch: fork, JSON and Request both ways', 10_000, async () => {
  const request = new Request('https://functions.test/invite/example.com/bob', { method: 'POST', body })
  await (await sip.fetch(request)).text()
})
await measure('validateAnswer: 1 action', 200_000, () => validateAnswer(one))
await measure('validateAnswer: 4 actions', 200_000, () => validateAnswer(four))
await measure('validateInvocation', 100_000, () => validateInvocation(invoked))

async function measure(what: string, times: number, work: () => unknown): Promise<void> {
  let best = Number.POSITIVE_INFINITY
  for (let run = 0; run < RUNS; run++) {
    const before = process.cpuUsage()
    for (let i = 0; i < times; i++) {
      const done = work()
      if (done instanceof Promise) await done
    }
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, (user + system) / times)
  }
  console.log(`${best.toFixed(2).padStart(8)} µs  ${what}`)
}
