import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { SECRET } from '../functions/contract-suite/reach.ts'
import { Gateway } from '../interop/gateway.ts'
import { eventually } from '../interop/program.ts'
import { Started } from '../interop/started.ts'
import { Callers, Phones, untilAll } from '../interop/udp-peers.ts'
import { bundleForLambda, bundleForWorkers } from './bundle.ts'
import { Lambda } from './lambda/lambda.ts'
import { absentRuntimes, DENO_RUN, runtimeProgram } from './programs.ts'
import { type Serving, servedByEntry } from './serving.ts'
import { Worker } from './worker.ts'

/** Whole calls: phones, a gateway in a process of its own, HTTP, and the default app as it would be deployed. */

const APP = 'functions/examples/app.ts'
const env = { WEBHOOK_SECRET: SECRET }

interface Deployment {
  name: string
  skip: string | false
  start(): Promise<Serving>
}

const DEPLOYMENTS: readonly Deployment[] = [
  { name: 'Node', skip: false, start: () => servedByEntry(process.execPath, [], APP, env) },
  {
    name: 'AWS Lambda',
    skip: absentRuntimes('esbuild'),
    async start() {
      const { file } = await bundleForLambda('test/runtimes/apps/example-lambda.ts')
      return Lambda.start(file, 'function-url', env)
    },
  },
  {
    name: 'Cloudflare Workers',
    skip: absentRuntimes('esbuild', 'wrangler', 'workerd'),
    async start() {
      const { file } = await bundleForWorkers(APP)
      return Worker.start(file, { env })
    },
  },
  {
    name: 'Bun',
    skip: absentRuntimes('bun'),
    start: () => servedByEntry(runtimeProgram('bun'), [], APP, env),
  },
  {
    name: 'Deno',
    skip: absentRuntimes('deno'),
    start: () => servedByEntry(runtimeProgram('deno'), DENO_RUN, APP, env),
  },
]

for (const { name, skip, start } of DEPLOYMENTS) {
  describe(`calls whose routes run on ${name}`, { skip }, () => {
    const started = new Started()
    let gateway: Gateway
    let callers: Callers
    let phones: Phones

    before(async () => {
      const serving = await started.keep(start())
      gateway = await started.keep(Gateway.start({ functions: serving.url, env: { ...env, GATEWAY_ID: 'gw-1' } }))
      callers = new Callers(gateway.router)
      phones = new Phones(gateway.router)
      started.add(() => callers.close())
      started.add(() => phones.close())
      await callers.open()
      await phones.open()
    })
    after(() => started.stop())

    /** Calls somebody who is not registered, until the call waits for that. */
    const callsSleeping = async (dialled: string) => {
      callers.invite(dialled)
      await eventually(`the call to ${dialled} to wait`, async () => {
        const response = await fetch(gateway.url(`/calls/${encodeURIComponent(dialled)}`))
        const { waiting = [] } = (await response.json()) as { waiting?: unknown[] }
        return waiting.length > 0 || undefined
      })
    }

    const wakes = (user: string) =>
      untilAll(
        `${user} to be registered`,
        [user],
        () => phones.registered.has(user),
        () => phones.register(user),
      )

    const isConnected = async (dialled: string) => {
      await eventually(`${dialled} to be connected`, () => callers.statusesOf(dialled).includes(200) || undefined)
      assert.equal(phones.rang.get(dialled)?.size, 1, `${dialled} rings once`)
      await callers.hangUp([dialled])
      await gateway.isIdle()
    }

    test('a call that waits in linear code goes on in a later invocation, when the phone registers', async () => {
      await callsSleeping('*43erin')
      const before = await gateway.metric('rouse_invocations_total')
      await wakes('erin')
      await isConnected('*43erin')
      assert.equal((await gateway.metric('rouse_invocations_total')) - before, 1)
    })

    test('a named handler forks the ringing call to the phone that has registered', async () => {
      await callsSleeping('frank')
      await wakes('frank')
      await isConnected('frank')
    })
  })
}
