import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Routes } from '../../../functions/contract/routes.ts'
import { SipRouter } from '../../../functions/sdk/index.ts'
import { invocation } from '../invocations.ts'

/** Which of the routes takes the path, with its parameters. */
function matched(paths: string[], path: string): [string, Record<string, string | undefined>] | undefined {
  const routes = new Routes<string>()
  for (const each of paths) routes.add('INVITE', each, each)
  const match = routes.match('INVITE', path)
  return match && [match.handler, { domain: match.param('domain'), user: match.param('user') }]
}

describe('route paths', () => {
  test('a pattern stands for the whole segment, its alternatives too', () => {
    const routes = ['/:domain/:user{fax|voice}', '/:domain/:user']
    assert.equal(matched(routes, '/a/fax')?.[0], routes[0])
    assert.equal(matched(routes, '/a/faxes')?.[0], routes[1])
    assert.equal(matched(routes, '/a/myvoice')?.[0], routes[1])
    const apart = ['/a.example/:user{fax|voice}', '/:domain/:user{[0-9]{3}}', '/:domain/:user']
    assert.equal(matched(apart, '/a.example/faxes')?.[0], apart[2])
    assert.equal(matched(apart, '/a.example/123')?.[0], apart[1])
    assert.equal(matched(apart, '/a.example/1234')?.[0], apart[2])
  })

  test('order decides between routes that both match, also across kinds', () => {
    const first = ['/:domain/:user', '/example.com/bob']
    assert.equal(matched(first, '/example.com/bob')?.[0], first[0])
    assert.equal(matched([...first].reverse(), '/example.com/bob')?.[0], first[1])
    assert.equal(matched(['*', '/example.com/bob'], '/example.com/bob')?.[0], '*')
    assert.equal(matched(['/example.com/*', '/:domain/:user'], '/example.com/bob')?.[0], '/example.com/*')
  })

  test('a domain is matched in any case, a user only as written (RFC 3261 19.1.4)', () => {
    assert.equal(matched(['/Example.COM/:user'], '/example.com/bob')?.[1].user, 'bob')
    assert.equal(matched(['/example.com/Bob'], '/example.com/bob'), undefined)
  })

  test('an optional user', () => {
    assert.deepEqual(matched(['/:domain/:user?'], '/example.com')?.[1], { domain: 'example.com', user: undefined })
    assert.deepEqual(matched(['/:domain/:user?'], '/example.com/bob')?.[1], { domain: 'example.com', user: 'bob' })
  })

  test('literal text with signs of regular expressions is only text', () => {
    for (const user of ['+1555', 'a.b', '(x)', '[y]', '$z', 'a^b']) {
      assert.equal(
        matched([`/example.com/${user}`], `/example.com/${encodeURIComponent(user)}`)?.[0],
        `/example.com/${user}`,
      )
      assert.equal(matched([`/:domain/${user}`], `/example.com/${encodeURIComponent(user)}`)?.[0], `/:domain/${user}`)
    }
    assert.equal(matched(['/:domain/a.b'], '/example.com/axb'), undefined)
  })

  test('a name of Object.prototype is no parameter', () => {
    const routes = new Routes<number>()
    routes.add('INVITE', '/:domain/:user', 1)
    assert.equal(routes.match('INVITE', '/a/b')?.param('constructor'), undefined)
    assert.equal(routes.match('INVITE', '/__proto__/toString')?.param('user'), 'toString')
  })

  test('an escape that is none, dots and empty segments match what they are or nothing, and throw nothing', () => {
    assert.equal(matched(['/:domain/:user'], '/a/%zz')?.[1].user, '%zz')
    assert.equal(matched(['/:domain/:user'], '/a/%ff')?.[1].user, '%ff')
    assert.equal(matched(['/:domain/:user'], '/a/'), undefined)
    assert.equal(matched(['/:domain/:user'], '/a/b/c'), undefined)
    assert.equal(matched(['/:domain/:user'], '/'), undefined)
  })

  test('a route added after the first match is found', () => {
    const routes = new Routes<number>()
    routes.add('INVITE', '/a/b', 1)
    assert.equal(routes.match('INVITE', '/a/c'), undefined)
    routes.add('INVITE', '/a/c', 2)
    assert.equal(routes.match('INVITE', '/a/c')?.handler, 2)
  })
})

describe('what Hono would silently miss is refused with the remedy', () => {
  const refused: [string, RegExp][] = [
    ['/:domain/fax-:box', /"fax-:box" would never match: put the text into the pattern, ":box\{fax-\.\+\}"/],
    ['/:domain/fax-:box{[0-9]+}', /would never match/],
    ['/:domain/*97', /"\*97" would not match as it looks: write ":user\{\\\*97\}"/],
    ['/:domain/:user.json', /mixes a parameter with text/],
    ['/:domain/:user{[0-9]+}x', /mixes a parameter with text/],
    ['/:domain/:', /mixes a parameter with text/],
    ['example.com/bob', /begin it with a slash: "\/example.com\/bob"/],
    ['/a/b/c', /two segments at most/],
    ['/:domain//', /two segments at most/],
    ['/:domain/', /an empty segment matches nothing/],
    ['/', /an empty segment matches nothing/],
    ['/:a/:a', /two parameters named "a"/],
    ['/:domain?/:user', /only the last segment may be optional/],
    ['/:domain/:user{[0-9}', /mixes a parameter|no regular expression/],
    ['/:domain/:user{(}', /no regular expression/],
    ['/:domain/:user{a/b}', /holds a slash/],
    ['/:domain/who?', /holds \{ \} or \?/],
  ]
  for (const [path, message] of refused) {
    test(path, () => assert.throws(() => new SipRouter().invite(path, () => {}), message))
  }

  test('names and methods', () => {
    const sip = new SipRouter()
    assert.throws(() => sip.method('IN VITE', '/a/b', () => {}), /expected the name of a SIP method/)
    assert.throws(() => sip.method('on', '/a/b', () => {}), /expected the name of a SIP method/)
    assert.throws(() => sip.on('late fork', () => {}), /up to 96 letters/)
    sip.on('twice', () => {})
    assert.throws(() => sip.on('twice', () => {}), /"twice" is registered twice/)
    assert.throws(
      () => sip.invite('/a/b', undefined as never),
      /INVITE \/a\/b: expected a handler function, got undefined/,
    )
  })
})

test('the compiler knows the parameters of a path, the shape of the context and of the platform', async () => {
  const sip = new SipRouter<{ env: { region: string }; context: { tries?: number } }>()
  sip.invite('/:domain/:user{[a-z]+}', (call) => {
    // @ts-expect-error: the path has no such parameter
    assert.equal(call.param('usr'), '')
    // @ts-expect-error: the platform has no such binding
    assert.equal(call.env.nothing, undefined)
    // @ts-expect-error: tries is a number
    call.context.tries = call.param('user')
    call.context.tries = 1
    call.annotate({ region: call.env.region, user: call.param('user'), domain: call.param('domain') })
  })
  const { body } = await sip.dispatch('/invite/example.com/bob', invocation(), { env: { region: 'eu' } })
  const values = { region: 'eu', user: 'bob', domain: 'example.com' }
  assert.deepEqual(body, { actions: [{ action: 'annotate', values }], context: { sdk: 1, data: { tries: 1 } } })
})
