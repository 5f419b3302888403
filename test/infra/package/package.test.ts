import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createSigner } from '../../../functions/contract/sign.ts'
import { invocation } from '../../functions/invocations.ts'
import { absentPackage } from '../../packages.ts'
import { lambdaEvent } from '../../runtimes/lambda/events.ts'
import { ENV, type Installed, installPackage, run } from './installed.ts'

/** An address of its own: the standard port may be taken on 127.0.0.1. */
const SERVER = '127.0.0.61:5060'
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`

describe('the published package, installed by npm into an empty project', () => {
  let installed: Installed
  /** What `rouse init` has written. */
  let project = ''

  before(() => {
    installed = installPackage()
  })
  after(() => installed.remove())

  test('holds compiled code with types and no source, and no test', () => {
    const { files } = installed
    const isTemplate = (file: string) => file.startsWith('gateway/cli/template/')
    const sources = files.filter((file) => /(?<!\.d)\.ts$/.test(file) && !isTemplate(file))
    assert.deepEqual([...sources, ...files.filter((file) => file.startsWith('test/'))], [])
  })

  test('has whatever it says that it exports', () => {
    const root = join(installed.folder, 'node_modules/rouse')
    const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const named = Object.values(exports as Record<string, string | { types: string; default: string }>)
    for (const file of named.flatMap((one) => (typeof one === 'string' ? [one] : [one.types, one.default])))
      assert.ok(existsSync(join(root, file)), file)
  })

  test('npx rouse init writes a project, whose types fit, and never writes over one, nor one that no Worker can be called', () => {
    run('npx', ['rouse', 'init', 'my-routes'], installed.folder)
    const again = spawnSync('npx', ['rouse', 'init', 'my-routes'], {
      cwd: installed.folder,
      env: ENV,
      encoding: 'utf8',
    })
    assert.equal(again.status, 2)
    assert.match(again.stderr, /is not empty, and nothing is overwritten/)
    assert.match(run('npx', ['rouse', '--version'], installed.folder), /^\d+\.\d+\.\d+\n$/)
    const refused = spawnSync('npx', ['rouse', 'init', 'my.routes'], {
      cwd: installed.folder,
      env: ENV,
      encoding: 'utf8',
    })
    assert.equal(refused.status, 2)
    assert.match(refused.stderr, /"my\.routes" can be no name of a package and a Worker: use small letters/)
    project = join(installed.folder, 'my-routes')
    for (const file of ['.gitignore', 'package.json', 'app.test.ts', 'deploy/Dockerfile', 'deploy/lambda.ts']) {
      assert.ok(existsSync(join(project, file)), file)
    }
    // Settings with secrets stay out of images as they stay out of commits.
    for (const file of ['.gitignore', '.dockerignore'])
      for (const secrets of [/^\.env/m, /^(\*\*\/)?\.dev\.vars/m]) assert.match(read(file), secrets, file)
    // What `npm install` would bring: there is no registry here.
    renameSync(join(installed.folder, 'node_modules'), join(project, 'node_modules'))
    run(process.execPath, [join(project, 'node_modules/typescript/bin/tsc')], project)
  })

  test('npm test of the new project passes', () => {
    assert.match(run('npm', ['test'], project), /pass 1/)
  })

  test('npx rouse routes shows what app.ts takes', () => {
    assert.equal(run('npx', ['rouse', 'routes'], project), 'INVITE  /:domain/:user\non      late-fork\n')
    assert.deepEqual(JSON.parse(run('npx', ['rouse', 'routes', '--json'], project)).handlers, ['late-fork'])
  })

  test('its Lambda function answers what an HTTP API makes of a path with an escape, and nobody else', async () => {
    const uri = 'sip:a%2Fb@example.com'
    const body = JSON.stringify(invocation({ request: { uri, aor: uri }, data: { contacts: [] } }))
    const signed = await createSigner(SECRET).sign('msg-1', body, Date.now())
    const invoked = (headers: object) =>
      answerOf({ path: '/invite/example.com/a%2Fb', headers: Object.entries(headers), body: Buffer.from(body) })
    const answered = invoked({ 'content-type': 'application/cloudevents+json', ...signed })
    assert.equal(answered.statusCode, 200)
    const { actions } = JSON.parse(answered.body)
    assert.deepEqual(actions[1], { action: 'push', aor: uri })
    assert.equal(invoked({ 'content-type': 'application/cloudevents+json' }).statusCode, 401)
  })

  /** The handler is loaded as AWS loads it, in a process of its own. */
  function answerOf(request: { path: string; headers: [string, string][]; body: Buffer }) {
    const event = lambdaEvent('http-api', { method: 'POST', query: '', ...request })
    const script = `
      const { handler } = await import('./deploy/lambda.ts')
      const answer = await handler(${JSON.stringify(event)}, { getRemainingTimeInMillis: () => 3000 })
      console.log(JSON.stringify(answer))`
    const args = ['--input-type=module', '--eval', script]
    return JSON.parse(run(process.execPath, args, project, { WEBHOOK_SECRET: SECRET }))
  }

  test('wrangler would deploy its Worker, and takes every field of the configuration', {
    skip: absentPackage('infra/workers'),
  }, () => {
    const wrangler = fileURLToPath(
      new URL('../../../infra/workers/node_modules/wrangler/bin/wrangler.js', import.meta.url),
    )
    const args = [
      wrangler,
      'deploy',
      '--config',
      'deploy/wrangler.jsonc',
      '--dry-run',
      '--outdir',
      join(project, 'dist/worker'),
    ]
    const said = run(process.execPath, args, project, { CI: '1', WRANGLER_SEND_METRICS: 'false' })
    assert.match(said, /--dry-run: exiting now/)
    assert.doesNotMatch(said, /WARNING|Unexpected field/)
    assert.match(read('dist/worker/app.js'), /late-fork/)
  })

  const read = (file: string) => readFileSync(join(project, file), 'utf8')

  test('rouse dev and two rouse phones complete a push wake-up; a save while the call waits changes what wakes it', async (t) => {
    const dev = new Running(t, ...rouse('dev', '--listen', SERVER, '--http', '127.0.0.61:0'), project)
    await dev.says('Rouse is ready.')
    const bob = new Running(t, ...phone('bob', '--register', '--asleep', '--answer', 'after', '100ms'), project)
    await bob.says('it sleeps')
    // Its push waits until it goes on: the call waits for as long as this test likes.
    bob.signal('SIGSTOP')
    const alice = new Running(t, ...phone('alice', '--call', 'bob', '--hangup', 'after', '100ms'), project)
    await dev.says('wake sip:bob@127.0.0.61')

    const app = read('app.ts')
    writeFileSync(join(project, 'app.ts'), app.replace('(call, event) =>', '(call, event) => {'))
    await dev.says('not loaded, the code of before goes on')
    const fork = 'call.fork(event.contact)'
    const mended = app.replace(fork, `{\n  call.annotate({ by: 'new code' })\n  ${fork}\n}`)
    writeFileSync(join(project, 'app.ts'), mended)
    await dev.says('reloaded: app.ts was saved')

    bob.signal('SIGCONT')
    assert.equal(await alice.exit(), 0, alice.output)
    await bob.says('it sleeps again')
    await dev.says('gateway  -> function /on/late-fork contact.registered')
    await dev.says('function -> gateway  annotate, fork')
    bob.signal('SIGINT')
    assert.equal(await bob.exit(), 0, bob.output)
    dev.signal('SIGINT')
    assert.equal(await dev.exit(), 0, dev.output)
  })
})

/** Without npx, which would end with the signal of its own. */
function rouse(...args: string[]): [string, string[]] {
  return [process.execPath, ['node_modules/rouse/gateway/cli/rouse.js', ...args]]
}

function phone(...args: string[]): [string, string[]] {
  return rouse('phone', ...args, '--server', SERVER)
}

/** A program that goes on while the test looks at what it writes. */
class Running {
  readonly #child: ChildProcess
  output = ''
  readonly #exited: Promise<number | null>
  #look: () => void = () => {}

  constructor(t: { after(work: () => void): void }, command: string, args: string[], cwd: string) {
    this.#child = spawn(command, args, { cwd, env: ENV, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    this.#exited = once(this.#child, 'exit').then(([code]) => code as number | null)
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on('data', (chunk) => {
        this.output += chunk
        this.#look()
      })
    }
    t.after(() => this.signal('SIGKILL'))
  }

  /** As a terminal sends it: to the program, and to those it has begun. */
  signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.#child.pid!, signal)
    } catch {
      // They have all ended.
    }
  }

  /** Waits until it has written this. */
  async says(text: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#look = () => {
      if (this.output.includes(text)) resolve()
    }
    this.#look()
    void this.#exited.then(() => reject(new Error(`it ended and never said "${text}":\n${this.output}`)))
    const late = setTimeout(() => reject(new Error(`it has not said "${text}":\n${this.output}`)), 30_000)
    await promise.finally(() => clearTimeout(late))
  }

  exit(): Promise<number | null> {
    return this.#exited
  }
}
